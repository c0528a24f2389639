import type { Errno } from './errno.ts';
import { hasVfioDevice, isViable, vfioMembers } from './groups.ts';
import { profileOf } from './profile.ts';
import { groupMembers, isBridge, logLine, type Device, type MachineState } from './state.ts';
import { evictConsole } from './consoles.ts';
import { isVendorFunction } from './vgpu.ts';

/** Where opening a group failed, as QEMU goes about it, and with which errno. */
export interface OpenFailure {
  readonly stage: 'open' | 'viable' | 'iommu' | 'device';
  readonly errno: Errno;
}

/**
 * What vfio-pci's probe refuses (drivers/vfio/pci/vfio_pci_core.c:vfio_pci_core_register_device): bridges
 * and devices without a group EINVAL, a physical function with virtual ones EBUSY.
 */
export function vfioProbeError(device: Device): Errno | undefined {
  if (isBridge(device.spec)) return 'EINVAL';
  if (device.numVfs > 0) return 'EBUSY';
  // A virtual function of NVIDIA's own framework.
  if (device.spec.vgpuType !== undefined && device.spec.physicalFunction !== undefined) return 'EINVAL';
  return device.group === undefined ? 'EINVAL' : undefined;
}

/** What binding to a vfio driver does besides: runtime power management is allowed, an idle device sleeps, a boot console goes. */
export function vfioBound(state: MachineState, device: Device): void {
  device.powerControl = 'auto';
  device.powerState = idleInD3(state) ? 'D3hot' : 'D0';
  device.enabled = 0;
  if (profileOf(state.spec.kernel).evictsConsole) evictConsole(state, device);
}

/** What leaving a vfio driver does besides: pm_runtime_forbid sets `on` whatever was there before, the device wakes. */
export function vfioUnbound(device: Device): void {
  device.powerControl = 'on';
  device.powerState = 'D0';
  device.users = [];
}

/**
 * Opens a group and devices in it as QEMU does: open /dev/vfio/N, GET_STATUS, SET_CONTAINER, SET_IOMMU, then
 * a file per device. Returns where it failed, with nothing left open; undefined when the guest has it all.
 */
export function openGroup(
  state: MachineState,
  request: { readonly group: number; readonly devices: readonly Device[]; readonly pid: number },
): OpenFailure | undefined {
  const group = state.groups[request.group];
  if (!group || vfioMembers(state, request.group).length === 0) return { stage: 'open', errno: 'ENOENT' };
  // A QEMU opens each group once, and all its devices through that file.
  if (group.openedBy !== undefined && group.openedBy !== request.pid) {
    return { stage: 'open', errno: 'EBUSY' };
  }
  if (!isViable(state, request.group)) return { stage: 'viable', errno: 'EPERM' };
  const backEnd = state.modules['vfio_iommu_type1'];
  if (!backEnd) return { stage: 'iommu', errno: 'ENODEV' };
  // vfio_iommu_type1.c:vfio_iommu_type1_attach_group.
  if (state.spec.interruptRemapping === false && backEnd.parameters['allow_unsafe_interrupts'] !== 'Y')
    return { stage: 'iommu', errno: 'EPERM' };
  if (!request.devices.every((device) => device.linked && hasVfioDevice(state, device))) {
    return { stage: 'device', errno: 'ENODEV' };
  }
  // There is nothing to give on a virtual function without a vGPU.
  if (request.devices.some((device) => isVendorFunction(device) && device.vgpuType === 0)) {
    return { stage: 'device', errno: 'EIO' };
  }
  group.openedBy = request.pid;
  group.ownedBy = request.pid;
  for (const device of request.devices) {
    device.users = [...new Set([...device.users, request.pid])];
    device.powerState = 'D0';
  }
  return undefined;
}

/** Closes everything that a process has open through VFIO; each device is reset as it is closed. */
export function closeGroups(state: MachineState, pid: number): void {
  for (const group of Object.values(state.groups)) {
    for (const device of groupMembers(state, group.number)) {
      if (!device.users.includes(pid)) continue;
      device.users = device.users.filter((user) => user !== pid);
      if (device.resetMethods.length > 0) device.resets += 1;
      if (device.driver !== undefined && idleInD3(state)) device.powerState = 'D3hot';
    }
    if (group.openedBy === pid) delete group.openedBy;
    if (group.ownedBy === pid) delete group.ownedBy;
  }
}

/** The line that the kernel logs when somebody unbinds a device that a guest has open. */
export function logRequest(state: MachineState, device: Device): void {
  const address = device.spec.address;
  logLine(state, `vfio-pci ${address}: Relaying device request to user (#0)`);
}

function idleInD3(state: MachineState): boolean {
  const module = state.modules['vfio_pci'];
  if (profileOf(state.spec.kernel).idleD3Read === 'load') return module?.idleD3AtLoad ?? true;
  return module?.parameters['disable_idle_d3'] !== 'Y';
}
