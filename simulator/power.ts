import type { DeviceSpec } from './spec.ts';
import { busOf, deviceByUid, isBridge, type Device, type MachineState } from './state.ts';
import { done, failed, type Outcome } from './work.ts';

/** A write of `auto` or `on` to power/control, the device's lock held (drivers/base/power/sysfs.c:control_store). */
export function setPowerControl(state: MachineState, uid: number, value: 'auto' | 'on'): Outcome {
  const device = deviceByUid(state, uid);
  if (!device) return failed('ENODEV');
  device.powerControl = value;
  if (value === 'on' && device.powerState !== 'unknown') device.powerState = 'D0';
  return done;
}

/** A write to `enable`, the device's lock held (drivers/pci/pci-sysfs.c:enable_store): EBUSY with a driver, EIO when it is off already. */
export function setEnabled(state: MachineState, uid: number, on: boolean): Outcome {
  const device = deviceByUid(state, uid);
  if (!device) return failed('ENODEV');
  if (device.driver !== undefined) return failed('EBUSY');
  if (!on && device.enabled === 0) return failed('EIO');
  device.enabled += on ? 1 : -1;
  if (on) device.powerState = 'D0';
  return done;
}

/** A write of 1 to `reset`, the device's lock held: ENOTTY when every method is switched off. BAR sizes survive it. */
export function resetDevice(state: MachineState, uid: number): Outcome {
  const device = deviceByUid(state, uid);
  if (!device) return failed('ENODEV');
  if (device.resetMethods.length === 0) return failed('ENOTTY');
  device.resets += 1;
  return done;
}

/**
 * Reset methods that work now, in the kernel's order. `bus`, a secondary bus reset, is only for a device that is
 * alone on its bus (drivers/pci/pci.c:pci_parent_bus_reset) and no bridge; it may still be in the list that was
 * made when the bus was scanned, before the siblings were there.
 */
export function workingResetMethods(state: MachineState, device: Device): string[] {
  const methods = resetMethodsWhenFound(state, device.spec);
  return isBridge(device.spec) ? methods.filter((method) => method !== 'bus') : methods;
}

/** The same for a device that a scan of the bus comes upon; what is behind a bridge is not known yet. */
export function resetMethodsWhenFound(state: MachineState, spec: DeviceSpec): string[] {
  const isAlone = siblings(state, spec).length === 0;
  return spec.resetMethods.filter((method) => method !== 'bus' || isAlone);
}

/**
 * A write to `reset_method` (drivers/pci/pci.c:reset_method_store): an empty line switches every method off,
 * `default` makes the list of what works now, any unknown name and any method that does not work now is EINVAL
 * and changes nothing.
 */
export function setResetMethods(state: MachineState, device: Device, text: string): 'EINVAL' | undefined {
  const working = workingResetMethods(state, device);
  const words = text.split(/\s+/).filter((word) => word !== '');
  if (words.length === 1 && words[0] === 'default') {
    device.resetMethods = working;
    return undefined;
  }
  if (!words.every((word) => working.includes(word))) return 'EINVAL';
  device.resetMethods = words;
  return undefined;
}

/**
 * Other devices on the same bus, the device's own virtual functions among them; those that have no room on it are on
 * a bus of their own (drivers/pci/iov.c:virtfn_add_bus).
 */
function siblings(state: MachineState, { address, behind }: DeviceSpec): Device[] {
  if (behind === undefined) return [];
  return Object.values(state.devices).filter(
    ({ spec }) =>
      spec.address !== address && spec.behind === behind && busOf(spec.address) === busOf(address),
  );
}
