import { profileOf } from './profile.ts';
import type { ConsoleSpec } from './spec.ts';
import { driverOf, type Console, type Device, type MachineState } from './state.ts';
import { done, failed, type Outcome } from './work.ts';

/** The consoles after boot. */
export function consolesAtBoot(spec: ConsoleSpec): Console[] {
  switch (spec.kind) {
    case 'vga':
      return [{ number: 0, text: 'VGA+', system: true, bound: true }];
    case 'firmware':
    case 'native-uefi':
      return [
        { number: 0, text: 'dummy device', system: true, bound: false },
        { number: 1, text: 'frame buffer device', system: false, bound: true },
      ];
    case 'native':
      return [
        { number: 0, text: 'frame buffer device', system: false, bound: true },
        { number: 1, text: 'dummy device', system: false, bound: false },
      ];
    case 'none':
      return [{ number: 0, text: 'dummy device', system: true, bound: true }];
  }
}

/**
 * Takes the boot console off a VGA device, as vfio-pci's probe and a BAR resize do
 * (drivers/video/aperture.c:aperture_remove_conflicting_pci_devices). Until the next boot nothing brings it back.
 */
export function evictConsole(state: MachineState, device: Device): void {
  if (!device.spec.class.startsWith('0300')) return;
  const unknownParent = !Object.values(state.devices).some((each) => each.spec.bootVga);
  const takesFirmware = profileOf(state.spec.kernel).evictsUnknownParent && unknownParent;
  if (!device.spec.bootVga && !takesFirmware) return;
  evictFirmware(state);
}

/** What a display driver does to the consoles as it binds: the boot console goes, its own frame buffer comes. */
export function consoleDriverBound(state: MachineState, device: Device): void {
  if (device.spec.bootVga) evictFirmware(state);
  takeOver(state);
}

/** The first frame buffer takes the text console over (drivers/video/fbdev/core/fbcon.c:do_fbcon_takeover). */
function takeOver(state: MachineState): void {
  if (state.consoles.some((each) => each.text === 'frame buffer device')) return;
  for (const each of state.consoles) each.bound = false;
  add(state, { text: 'frame buffer device', system: false, bound: true });
}

/** What it leaves behind: when no other display driver is there, the dummy console. */
export function consoleDriverGone(state: MachineState): void {
  const hasFirmware = state.firmwareFramebuffer !== undefined && !state.firmwareUnbound;
  if (hasFirmware || nativeFramebuffers(state) > 0) return;
  state.consoles = state.consoles.filter((each) => each.text !== 'frame buffer device');
  fallBackToDummy(state);
}

/**
 * A write to /sys/class/vtconsole/vtconN/bind, which never fails: anything but 0 and 1, and a system console are
 * silently ignored (drivers/tty/vt/vt.c:store_bind, vt_bind, vt_unbind). Where no console is a system console, none is
 * ever bound again: measured, docs/kernel-notes.md.
 */
export function writeConsoleBind(state: MachineState, number: number, value: number): void {
  const console = state.consoles.find((each) => each.number === number);
  if (!console || console.system) return;
  if (value === 0 && console.bound) {
    console.bound = false;
    fallBackToDummy(state);
  } else if (value === 1 && !console.bound && state.consoles.some(({ system }) => system)) {
    for (const each of state.consoles) each.bound = each === console;
  }
}

/** The platform driver of the firmware's frame buffer: its device is called after it, with a number. */
export function firmwareDriver(platformDevice: string): string {
  return platformDevice.replace(/\.\d+$/, '');
}

/** A write to `unbind` of that driver: the frame buffer goes, the device of the platform stays (drivers/base/bus.c:unbind_store). */
export function unbindFirmware(state: MachineState, name: string): Outcome {
  if (state.firmwareFramebuffer !== name || state.firmwareUnbound) return failed('ENODEV');
  state.firmwareUnbound = true;
  consoleDriverGone(state);
  return done;
}

/** A write to `bind` of that driver: it finds its frame buffer again as long as nothing else has taken the memory. */
export function bindFirmware(state: MachineState, name: string): Outcome {
  if (state.firmwareFramebuffer !== name) return failed('ENODEV');
  if (!state.firmwareUnbound) return failed('EBUSY');
  delete state.firmwareUnbound;
  takeOver(state);
  return done;
}

function nativeFramebuffers(state: MachineState): number {
  return Object.values(state.devices).filter(
    (device) => device.linked && driverOf(state, device)?.spec.console,
  ).length;
}

function evictFirmware(state: MachineState): void {
  delete state.firmwareFramebuffer;
  delete state.firmwareUnbound;
  const before = state.consoles.length;
  state.consoles = state.consoles.filter(
    (each) => each.text !== 'VGA+' && (each.text !== 'frame buffer device' || nativeFramebuffers(state) > 0),
  );
  if (state.consoles.length < before) fallBackToDummy(state);
}

function fallBackToDummy(state: MachineState): void {
  const dummy = state.consoles.find((each) => each.text === 'dummy device');
  if (dummy) dummy.bound = true;
  else add(state, { text: 'dummy device', system: false, bound: true }, 1);
}

function add(state: MachineState, console: Omit<Console, 'number'>, from = 0): void {
  let number = from;
  while (state.consoles.some((each) => each.number === number)) number += 1;
  state.consoles.push({ number, ...console });
}
