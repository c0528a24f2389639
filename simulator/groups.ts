import { profileOf } from './profile.ts';
import type { DeviceSpec } from './spec.ts';
import { isVendorFunction } from './vgpu.ts';
import { driverOf, groupMembers, isBridge, type Device, type Group, type MachineState } from './state.ts';

/** The IOMMU group that a device joins: the one of its key when it exists, else a new one. */
export function joinGroup(state: MachineState, spec: DeviceSpec): number | undefined {
  if (!state.spec.iommu) return undefined;
  const existing = Object.values(state.groups).find(
    (group) => spec.group !== undefined && group.key === spec.group,
  );
  return (existing ?? newGroup(state, spec.group)).number;
}

/**
 * Makes a group. The kernel takes the lowest number that is free (drivers/iommu/iommu.c:iommu_group_alloc),
 * so that numbers are used again; a machine may be described to never do that.
 */
export function newGroup(state: MachineState, key?: number): Group {
  let number = state.next.group;
  if (state.spec.groupNumbers === 'lowest') {
    number = 0;
    while (state.groups[number]) number += 1;
  }
  state.next.group = Math.max(state.next.group, number + 1);
  const group: Group = { number, type: 'DMA-FQ', ...(key !== undefined && { key }) };
  state.groups[number] = group;
  return group;
}

/** Removes a group without members. */
export function dropEmptyGroup(state: MachineState, number: number | undefined): void {
  if (number === undefined || groupMembers(state, number).length > 0) return;
  if (Object.values(state.mdevs).some((mdev) => mdev.group === number)) return;
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the state is a JSON object
  delete state.groups[number];
}

/** Members that a vfio driver holds, also those whose remove() is still running: they keep /dev/vfio/N there. */
export function vfioMembers(state: MachineState, number: number): Device[] {
  return groupMembers(state, number).filter((device) => hasVfioDevice(state, device));
}

/** Whether a device can be opened through VFIO: a vfio driver has it, or NVIDIA's that is one, too. */
export function hasVfioDevice(state: MachineState, device: Device): boolean {
  return driverOf(state, device)?.spec.vfio === true || isVendorFunction(device);
}

/**
 * Whether VFIO may hand the group to a guest. Since 5.19: no member has a driver that uses the DMA API
 * (iommu_group_claim_dma_owner). Before: members are driverless, bridges, on pci-stub or on a vfio driver
 * (vfio_dev_viable).
 */
export function isViable(state: MachineState, number: number): boolean {
  const oldRule = profileOf(state.spec.kernel).nativeBindIntoOwnedGroup === 'BUG';
  return groupMembers(state, number).every((device) => {
    const driver = driverOf(state, device)?.spec;
    if (!driver || isVendorFunction(device)) return true;
    if (oldRule) return isBridge(device.spec) || driver.name === 'pci-stub' || driver.vfio;
    return driver.dma === 'managed';
  });
}

/** Whether the kernel counts the group as in use, so that its type cannot be changed. */
export function isInUse(state: MachineState, group: Group): boolean {
  return group.ownedBy !== undefined || !isViable(state, group.number);
}
