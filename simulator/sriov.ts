import { parsePciAddress, pciAddress, pciAddressParts } from '../src/pci/address.ts';
import { probeUnderLock } from './driver-core.ts';
import { addDevice, detachAndDelete } from './hotplug.ts';
import { profileOf } from './profile.ts';
import type { DeviceSpec, SriovSpec } from './spec.ts';
import { deviceByUid, driverOf, type Device, type MachineState } from './state.ts';
import { dealMemory, newShares } from './function-profile.ts';
import { newVfSettings } from './vf-network.ts';
import { busLock, done, failed, then, type Outcome, type Work } from './work.ts';

/** Where the BARs of virtual functions are: in the room that the firmware gave the physical one for them. */
const vfBarBase = 0xfe000000;

/**
 * A write of an accepted number to sriov_numvfs, the physical function's lock held
 * (drivers/pci/iov.c:sriov_numvfs_store): the current number changes nothing, whoever holds the device; a
 * driver that cannot do it, or none, is ENOENT; from one number to another only through 0.
 */
export function setNumVfs(state: MachineState, uid: number, count: number): Outcome {
  const device = deviceByUid(state, uid);
  if (!device) return failed('ENODEV');
  if (count === device.numVfs) return done;
  if (!canMakeVfs(state, device)) return failed('ENOENT');
  if (count === 0) return then({ do: 'drop-vfs', uid });
  if (device.numVfs > 0) return failed('EBUSY');
  return then({ do: 'lock', key: busLock }, { do: 'make-vfs', uid, count }, { do: 'unlock', key: busLock });
}

/** Adds virtual functions, each in a group of its own, and offers them to drivers. */
export function makeVfs(state: MachineState, uid: number, count: number): Outcome {
  const device = deviceByUid(state, uid);
  const sriov = device?.spec.sriov;
  if (!device || !sriov) return failed('ENODEV');
  const { profile } = sriov;
  if (profile && !dealMemory(profile, (device.shares ??= newShares()), count)) return failed('ENOSPC');
  device.numVfs = count;
  if (sriov.net) device.vfSettings = newVfSettings(count);
  const added: Device[] = [];
  for (let index = 0; index < count; index += 1) {
    const vf = addDevice(state, vfSpec(device.spec, sriov, index));
    for (const bar of vf.bars) bar.start = vfBarBase + (index * 6 + bar.index) * bar.size;
    // vfio-pci's own virtual functions get it as their override (vfio_pci_core.c:vfio_pci_bus_notifier).
    if (driverOf(state, device)?.spec.vfio && device.driver !== undefined) vf.driverOverride = device.driver;
    added.push(vf);
  }
  const binds = state.autoprobe || !profileOf(state.spec.kernel).autoprobeCoversHotAdd;
  return then(...(binds ? added.flatMap((vf) => probeUnderLock(vf.uid, false)) : []));
}

/** Takes virtual functions away, waiting for the driver of each with the bus lock held. */
export function dropVfs(state: MachineState, uid: number, holdsBusLock: boolean): Outcome {
  const device = deviceByUid(state, uid);
  if (!device) return done;
  // iov.c:sriov_del_vfs: of each one the link, then the function itself, which its driver may keep for long.
  const pieces: Work[] = vfsOf(state, device).flatMap((vf) => [
    { do: 'unlink-vf', uid: vf.uid },
    ...detachAndDelete(vf.uid, false),
  ]);
  pieces.push({ do: 'vfs-gone', uid });
  if (holdsBusLock) return then(...pieces);
  return then({ do: 'lock', key: busLock }, ...pieces, { do: 'unlock', key: busLock });
}

/** The virtual functions of a device, in their order. */
export function vfsOf(state: MachineState, device: Device): Device[] {
  const sriov = device.spec.sriov;
  if (!sriov) return [];
  return Array.from({ length: device.numVfs }, (_, index) => vfAddress(device.spec.address, sriov, index))
    .map((address) => state.devices[address])
    .filter((vf) => vf !== undefined);
}

/** Address of a virtual function: the physical one's routing id plus offset plus stride (SR-IOV specification, 2.1.2). */
export function vfAddress(physical: string, sriov: SriovSpec, index: number): string {
  const address = parsePciAddress(physical);
  if (!address) return physical;
  const parts = pciAddressParts(address);
  const id = (parts.bus << 8) + (parts.slot << 3) + parts.function + sriov.offset + sriov.stride * index;
  return (
    pciAddress({ domain: parts.domain, bus: id >> 8, slot: (id >> 3) & 0x1f, function: id & 7 }) ?? physical
  );
}

function canMakeVfs(state: MachineState, device: Device): boolean {
  const driver = driverOf(state, device)?.spec;
  if (driver?.vfio) return state.modules['vfio_pci']?.parameters['enable_sriov'] === 'Y';
  return driver?.sriov === true || (device.driver === 'i915' && device.spec.sriov?.profile !== undefined);
}

function vfSpec(physical: DeviceSpec, sriov: SriovSpec, index: number): DeviceSpec {
  return {
    address: vfAddress(physical.address, sriov, index),
    vendor: physical.vendor,
    device: sriov.vfDevice,
    subsystemVendor: physical.subsystemVendor,
    subsystemDevice: physical.subsystemDevice,
    revision: physical.revision,
    class: physical.class,
    ...(physical.behind !== undefined && { behind: physical.behind }),
    ...(physical.numaNode !== undefined && { numaNode: physical.numaNode }),
    bars: sriov.vfBars,
    resetMethods: ['flr'],
    powerControl: 'on',
    // Virtual functions have no power management capability (drivers/pci/pci.c:pci_pm_init).
    d3coldAllowed: false,
    physicalFunction: physical.address,
    ...(sriov.vgpuType !== undefined && { vgpuType: sriov.vgpuType }),
    nodes: [],
    claimedNodes: [],
    entries: {},
  };
}
