import type { MdevInspection } from '../../engine/inspect-mdevs.ts';
import type { PciNames } from '../../pci/names.ts';

/** Mediated devices as data; docs/json.md describes it. */
export function mdevsJson(
  { parents, devices, definitions, others }: MdevInspection,
  names: PciNames,
): unknown {
  return {
    parents: parents.map(({ name, driver, device, types }) => ({
      name,
      driver: driver === '' ? null : driver,
      ...(device && {
        vendor: device.vendor,
        device: device.device,
        deviceName: names.device(device.vendor, device.device),
        physicalFunction: device.physicalFunction,
      }),
      types,
    })),
    devices: devices.map(({ uuid, parent, type, group, openBy, claim }) => ({
      uuid,
      parent,
      type,
      group: group ?? null,
      openBy,
      owner: claim && { ...claim.owner, state: claim.state, since: claim.claimedAt },
    })),
    definitions,
    others: others.map(({ card, reason, hints }) => ({
      address: card.address,
      driver: card.driver === '' ? null : card.driver,
      reason,
      hints,
    })),
  };
}
