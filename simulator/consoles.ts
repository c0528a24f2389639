import { profileOf } from './profile.ts';
import type { ConsoleSpec } from './spec.ts';
import { driverOf, type Console, type Device, type MachineState } from './state.ts';

/** The consoles after boot. */
export function consolesAtBoot(spec: ConsoleSpec): Console[] {
  switch (spec.kind) {
    case 'vga':
      return [{ number: 0, text: 'VGA+', system: true, bound: true }];
    case 'firmware':
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
  if (state.consoles.some((each) => each.text === 'frame buffer device')) return;
  for (const each of state.consoles) each.bound = false;
  add(state, { text: 'frame buffer device', system: false, bound: true });
}

/** What it leaves behind: when no other display driver is there, the dummy console. */
export function consoleDriverGone(state: MachineState): void {
  if (state.firmwareFramebuffer !== undefined || nativeFramebuffers(state) > 0) return;
  state.consoles = state.consoles.filter((each) => each.text !== 'frame buffer device');
  fallBackToDummy(state);
}

/**
 * A write to /sys/class/vtconsole/vtconN/bind, which never fails: anything but 0 and 1, a system console, and
 * a console that has no other to take its place are silently ignored (drivers/tty/vt/vt.c:store_bind).
 */
export function writeConsoleBind(state: MachineState, number: number, value: number): void {
  const console = state.consoles.find((each) => each.number === number);
  if (!console || console.system || value !== 0 || !console.bound) return;
  console.bound = false;
  fallBackToDummy(state);
}

function nativeFramebuffers(state: MachineState): number {
  return Object.values(state.devices).filter(
    (device) => device.linked && driverOf(state, device)?.spec.console,
  ).length;
}

function evictFirmware(state: MachineState): void {
  delete state.firmwareFramebuffer;
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
