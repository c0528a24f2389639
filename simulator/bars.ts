import type { BarSpec } from './spec.ts';
import { isBridge, type BarState, type Device, type MachineState } from './state.ts';

/** IORESOURCE_UNSET (include/linux/ioport.h). */
const UNSET = 0x20000000;
const MIB = 2 ** 20;

/** Flag words of the `resource` file (include/linux/ioport.h). */
export const barFlags: Readonly<Record<BarSpec['kind'], number>> = {
  io: 0x40101,
  mem32: 0x40200,
  mem64: 0x140204,
  pref64: 0x14220c,
};

/** What the spec says of a BAR. */
export function barSpec(device: Device, index: number): BarSpec | undefined {
  return device.spec.bars.find((bar) => bar.index === index);
}

/** The flag word of a BAR now. */
export function flagsNow(device: Device, bar: BarState): number {
  const flags = barFlags[barSpec(device, bar.index)?.kind ?? 'mem32'];
  return bar.start < 0 ? flags + UNSET : flags;
}

/**
 * Gives addresses to the prefetchable BARs of a device that have none, together with windows for the bridges
 * above it that hold nothing else (drivers/pci/setup-bus.c:pci_do_resource_release_and_resize). A bridge
 * whose window still contains a BAR of another device keeps that window: "was not released".
 * Returns whether there was room; when not, nothing has changed.
 */
export function assignBars(state: MachineState, device: Device): boolean {
  const wanted = device.bars
    .filter((bar) => bar.start < 0 && barSpec(device, bar.index)?.kind === 'pref64')
    .sort((a, b) => b.size - a.size);
  const largest = wanted[0]?.size;
  if (largest === undefined) return true;
  const kept = rangesOfDevice(device);
  // Other BARs of the device that stay hold every window above it in place.
  const movable = kept.length === 0 ? bridgesThatMayMove(state, device) : [];
  const container = bridgeAbove(state, movable.at(-1) ?? device);
  const range = container ? container.window : state.spec.window;
  const total = wanted.reduce((sum, bar) => sum + bar.size, 0);
  const taken = occupied(state, container, movable.at(-1));
  const base = range ? firstGap(range, taken, { size: total, alignment: largest }) : undefined;
  if (base === undefined) return false;
  let next = base;
  for (const bar of wanted) {
    bar.start = next;
    next += bar.size;
  }
  for (const bridge of movable) bridge.window = { start: base, size: Math.max(total, MIB) };
  return true;
}

/** Gives addresses to a device that was found, or to everything behind a bridge that was; what finds no room stays without. */
export function assignBelow(state: MachineState, device: Device): void {
  if (!isBridge(device.spec)) {
    assignBars(state, device);
    return;
  }
  const block = blockBelow(state, device);
  const above = bridgeAbove(state, device);
  const range = above ? above.window : state.spec.window;
  if (block.size === 0 || !range) return;
  const size = Math.max(block.size, MIB);
  const start = firstGap(range, occupied(state, above, device), { size, alignment: block.alignment });
  if (start === undefined) return;
  device.window = { start, size };
  placeBlock(block, start);
}

/** Gives addresses to all BARs and windows of a machine that has none yet, as firmware does. */
export function layOutBars(state: MachineState): void {
  let low = 0xf0000000;
  let port = 0x3000;
  for (const device of Object.values(state.devices)) {
    for (const bar of device.bars) {
      const kind = barSpec(device, bar.index)?.kind;
      if (kind === 'io') port = (bar.start = alignUp(port, bar.size)) + bar.size;
      else if (kind !== 'pref64') low = (bar.start = alignUp(low, bar.size)) + bar.size;
    }
  }
  placeBlock(blockBelow(state, undefined), state.spec.window.start);
}

/** The bridge that a device is behind. */
export function bridgeAbove(state: MachineState, device: Device): Device | undefined {
  return state.devices[device.spec.behind ?? ''];
}

interface Range {
  readonly start: number;
  readonly size: number;
}

interface Block {
  readonly size: number;
  readonly alignment: number;
  readonly parts: readonly Block[];
  readonly place: (start: number, size: number) => void;
}

/** The BARs behind a bridge (or on the root bus) and the windows that they need, largest alignment first. */
function blockBelow(state: MachineState, bridge: Device | undefined): Block {
  const parts: Block[] = [];
  for (const device of Object.values(state.devices)) {
    if (bridgeAbove(state, device) !== bridge) continue;
    for (const bar of device.bars) {
      if (barSpec(device, bar.index)?.kind !== 'pref64') continue;
      parts.push({ size: bar.size, alignment: bar.size, parts: [], place: (start) => (bar.start = start) });
    }
    const below = blockBelow(state, device);
    if (below.size > 0) {
      parts.push({
        ...below,
        place: (start, size) => (device.window = { start, size: Math.max(size, MIB) }),
      });
    }
  }
  parts.sort((a, b) => b.alignment - a.alignment);
  const size = parts.reduce((end, part) => alignUp(end, part.alignment) + part.size, 0);
  return { size, alignment: parts[0]?.alignment ?? 1, parts, place: () => undefined };
}

function placeBlock(block: Block, start: number): void {
  block.place(start, block.size);
  let next = start;
  for (const part of block.parts) {
    next = alignUp(next, part.alignment);
    placeBlock(part, next);
    next += part.size;
  }
}

/** Bridges above a device, from the nearest upwards, that have nothing else below them. */
export function bridgesThatMayMove(state: MachineState, device: Device): Device[] {
  const movable: Device[] = [];
  let below = device;
  for (let bridge = bridgeAbove(state, device); bridge; bridge = bridgeAbove(state, bridge)) {
    if (occupied(state, bridge, below).length > 0) break;
    movable.push(bridge);
    below = bridge;
  }
  return movable;
}

/** Ranges that are taken behind a bridge, or on the root bus, without what `except` has. */
function occupied(state: MachineState, bridge: Device | undefined, except?: Device): Range[] {
  return Object.values(state.devices)
    .filter((device) => bridgeAbove(state, device) === bridge && device !== except)
    .flatMap((device) => [...rangesOfDevice(device), ...(device.window ? [device.window] : [])]);
}

function rangesOfDevice(device: Device): Range[] {
  return device.bars.filter((bar) => bar.start >= 0 && barSpec(device, bar.index)?.kind === 'pref64');
}

function firstGap(
  range: Range,
  taken: readonly Range[],
  need: { readonly size: number; readonly alignment: number },
): number | undefined {
  let base = alignUp(range.start, need.alignment);
  for (const each of [...taken].sort((a, b) => a.start - b.start)) {
    if (each.start >= base + need.size || each.start + each.size <= base) continue;
    base = alignUp(each.start + each.size, need.alignment);
  }
  return base + need.size <= range.start + range.size ? base : undefined;
}

function alignUp(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}
