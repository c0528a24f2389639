import { deviceByUid, type Device, type MachineState } from './state.ts';
import { done, failed, type Outcome } from './work.ts';

/** A write of `auto` or `on` to power/control, the device's lock held (drivers/base/power/sysfs.c:control_store). */
export function setPowerControl(state: MachineState, uid: number, value: 'auto' | 'on'): Outcome {
  const device = deviceByUid(state, uid);
  if (!device) return failed('ENODEV');
  device.powerControl = value;
  if (value === 'on') device.powerState = 'D0';
  return done;
}

/** A write to `enable`, the device's lock held (drivers/pci/pci-sysfs.c:enable_store): EBUSY with a driver, EIO when it is off already. */
export function setEnabled(state: MachineState, uid: number, on: boolean): Outcome {
  const device = deviceByUid(state, uid);
  if (!device) return failed('ENODEV');
  if (device.driver !== undefined) return failed('EBUSY');
  if (!on && device.enabled === 0) return failed('EIO');
  device.enabled += on ? 1 : -1;
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
 * A write to `reset_method` (drivers/pci/pci.c:reset_method_store): an empty line switches every method off,
 * `default` restores them, any unknown or unsupported name is EINVAL and changes nothing.
 */
export function setResetMethods(device: Device, text: string): 'EINVAL' | undefined {
  const words = text.split(/\s+/).filter((word) => word !== '');
  if (words.length === 1 && words[0] === 'default') {
    device.resetMethods = [...device.spec.resetMethods];
    return undefined;
  }
  if (!words.every((word) => device.spec.resetMethods.includes(word))) return 'EINVAL';
  device.resetMethods = words;
  return undefined;
}
