import type { Host } from '../host/host.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { isMdevUuid, type Mdev, type MdevParent, type MdevType } from '../pci/mdev.ts';
import { sysfs } from '../pci/sysfs.ts';
import { describeHolders } from './describe-holders.ts';

/** Every parent of mediated devices, in the order of their names, with what each offers. Nothing of it waits. */
export function readMdevParents(host: Host): readonly MdevParent[] {
  return (host.list(sysfs.mdevParents) ?? []).map((name) => ({
    name,
    driver:
      host
        .readLink(`${sysfs.mdevParent(name)}/driver`)
        ?.split('/')
        .pop() ?? '',
    types: (host.list(sysfs.mdevTypes(name)) ?? []).flatMap((id) => readType(host, name, id)),
    devices: (host.list(sysfs.mdevParent(name)) ?? []).filter(isMdevUuid),
  }));
}

/** How many more of a type can be made; undefined: there is no such type. */
export function availableOf(host: Host, { parent, type }: Mdev): number | undefined {
  const text = host.read(sysfs.mdevType(parent, type, 'available_instances'))?.trim();
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function readType(host: Host, parent: string, id: string): MdevType[] {
  const available = availableOf(host, { parent, type: id });
  // It has gone with its parent in between.
  if (available === undefined) return [];
  const text = (file: string): string =>
    (host.read(sysfs.mdevType(parent, id, file)) ?? '').trim().replace(/\s*\n\s*/g, ', ');
  return [
    { id, name: text('name'), description: text('description'), deviceApi: text('device_api'), available },
  ];
}

/** A mediated device that is there: on its bus, and not on its way out. */
export function readMdev(host: Host, uuid: string): Mdev | undefined {
  const parent = host.readLink(sysfs.mdev(uuid))?.split('/').at(-2);
  const type = host
    .readLink(`${sysfs.mdev(uuid)}/mdev_type`)
    ?.split('/')
    .pop();
  return parent === undefined || type === undefined ? undefined : { parent, type };
}

/** UUIDs of all that are there. */
export function mdevUuids(host: Host): readonly string[] {
  return (host.list(sysfs.mdevs) ?? []).filter(isMdevUuid);
}

/** Number of a mediated device's IOMMU group, which is its own; undefined when it is not there. */
export function mdevGroup(host: Host, uuid: string): number | undefined {
  const number = Number(
    host
      .readLink(`${sysfs.mdev(uuid)}/iommu_group`)
      ?.split('/')
      .pop() ?? NaN,
  );
  return Number.isInteger(number) ? number : undefined;
}

/**
 * Who has a mediated device open, as far as it can be seen: `guest "a" (pid 1234)`. Undefined when nobody has. Its
 * group's node tells also of one that is open by its own node (drivers/vfio/group.c:vfio_device_block_group).
 */
export function openMdev(host: Host, uuid: string): string | undefined {
  const group = mdevGroup(host, uuid);
  const node = group === undefined ? undefined : sysfs.vfioGroup(group);
  return node === undefined || host.tryOpen(node) !== 'busy'
    ? undefined
    : describeHolders(host.holders([node]));
}

/** The parent's address, where it is a PCI device. */
export function parentAddress(parent: string): PciAddress | undefined {
  const address = parsePciAddress(parent);
  return address === parent ? address : undefined;
}
