import { assignBars, barSpec, bridgeAbove, bridgesThatMayMove } from './bars.ts';
import { evictConsole } from './consoles.ts';
import { profileOf } from './profile.ts';
import { deviceByUid, logLine, type Device, type MachineState } from './state.ts';
import { done, failed, type Outcome } from './work.ts';

const MIB = 2 ** 20;

/**
 * A write to resourceN_resize, the device's lock held (drivers/pci/pci-sysfs.c:__resource_resize_store). The
 * order of the refusals is the kernel's: a driver or virtual functions, then the console is evicted whether
 * or not the rest succeeds, then what firmware allows, the size, then room in the windows.
 */
export function resize(state: MachineState, uid: number, index: number, bit: number): Outcome {
  const device = deviceByUid(state, uid);
  if (!device) return failed('ENODEV');
  if (device.driver !== undefined || device.numVfs > 0) return failed('EBUSY');
  evictConsole(state, device);
  if (state.spec.firmwareKeepsBars) return failed('ENOTSUPP');
  const bar = device.bars.find((each) => each.index === index);
  const size = 2 ** bit * MIB;
  if (!bar || !barSpec(device, index)?.sizes.includes(size)) return failed('EINVAL');
  const before = snapshot(state, device);
  // Every BAR with identical flags is released, so that the bridge windows above become empty and can move.
  const kind = barSpec(device, index)?.kind;
  for (const each of device.bars) {
    if (barSpec(device, each.index)?.kind === kind && kind === 'pref64') each.start = -1;
  }
  bar.size = size;
  // drivers/pci/setup-bus.c:pci_reassign_bridge_resources, when it could release no window.
  if (kind === 'pref64' && holdsWindows(state, device)) {
    restore(device, before);
    return failed('ENOENT');
  }
  if (kind !== 'pref64' || assignBars(state, device)) return done;
  restore(device, before);
  loseBars(state, device, index);
  logLine(state, `pci ${device.spec.address}: BAR ${index}: no space, old value restored`);
  return failed('ENOSPC');
}

/** Whether the kernel gives up since another function keeps the nearest bridge's window. */
function holdsWindows(state: MachineState, device: Device): boolean {
  if (profileOf(state.spec.kernel).resizeBesideSibling !== 'ENOENT') return false;
  return bridgeAbove(state, device) !== undefined && bridgesThatMayMove(state, device).length === 0;
}

/** What a weak roll-back leaves without an address. */
function loseBars(state: MachineState, device: Device, index: number): void {
  const rollback = state.spec.resizeRollback ?? profileOf(state.spec.kernel).resize;
  if (rollback !== 'weak' && rollback !== 'lost') return;
  const kind = barSpec(device, index)?.kind;
  for (const bar of device.bars) {
    const released = barSpec(device, bar.index)?.kind === kind;
    if (released && (rollback === 'lost' || bar.index !== index)) bar.start = -1;
  }
}

interface Before {
  readonly bars: Device['bars'];
  readonly windows: readonly { readonly bridge: Device; readonly window: Device['window'] }[];
}

function snapshot(state: MachineState, device: Device): Before {
  const windows = [];
  for (let bridge = bridgeAbove(state, device); bridge; bridge = bridgeAbove(state, bridge)) {
    windows.push({ bridge, window: bridge.window });
  }
  return { bars: device.bars.map((bar) => ({ ...bar })), windows };
}

function restore(device: Device, before: Before): void {
  device.bars = before.bars.map((bar) => ({ ...bar }));
  for (const { bridge, window } of before.windows) {
    if (window) bridge.window = window;
    else delete bridge.window;
  }
}
