import type { InspectedDevice, InspectedGroup } from '../../engine/inspect.ts';
import type { PciNames } from '../../pci/names.ts';

/** Groups as data; docs/json.md describes it. */
export function groupsJson(groups: readonly InspectedGroup[], names: PciNames): unknown {
  return groups.map(({ group, devices, holders, verdict }) => ({
    number: group.number,
    type: group.type,
    verdict,
    devices: devices.map((device) => deviceJson(device, names)),
    otherMembers: group.otherMembers,
    open: group.open,
    holders: holders.map(({ pid, name, guest }) => ({ pid, name, guest })),
  }));
}

function deviceJson(
  { device, verdict, claim, hostDriver, promisedFunctions, vgpu }: InspectedDevice,
  names: PciNames,
): unknown {
  return {
    address: device.address,
    class: device.class,
    className: names.class(device.class),
    vendor: device.vendor,
    device: device.device,
    vendorName: names.vendor(device.vendor),
    deviceName: names.device(device.vendor, device.device),
    subsystemVendor: device.subsystemVendor,
    subsystemDevice: device.subsystemDevice,
    subsystemName: names.describeSubsystem(device),
    revision: device.revision,
    headerType: device.headerType,
    driver: device.driver ?? null,
    driverOverride: device.driverOverride,
    onVfio: device.onVfio,
    hostDriver,
    bootVga: device.bootVga,
    resetMethods: device.resetMethods ?? [],
    bars: device.bars.flatMap(({ index, size, sizes }) => (sizes ? [{ bar: index, size, sizes }] : [])),
    sriov: device.sriov,
    promisedFunctions,
    physicalFunction: device.physicalFunction,
    mdevs: device.mdevs,
    vgpu,
    owner: claim && { ...claim.owner, state: claim.state, since: claim.claimedAt },
    verdict: verdict?.kind,
  };
}
