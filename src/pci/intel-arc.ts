import type { PciDevice } from './device.ts';
import { isDisplay } from './class.ts';

/** The BAR that the memory of Intel's own cards is behind (drivers/gpu/drm/xe: LMEM_BAR; i915: GEN12_LMEM_BAR). */
const LMEM_BAR = 2;

/** That BAR, its size and the largest that it can have; bytes. */
export interface MemoryBar {
  readonly index: number;
  readonly size: number;
  readonly largest: number;
}

/**
 * The memory BAR of an Intel card that has memory of its own; undefined for other devices. The processor's own graphics has
 * a BAR 2 as well, an aperture that cannot be resized.
 */
export function intelMemoryBar({ vendor, class: kind, bars }: PciDevice): MemoryBar | undefined {
  const bar = bars.find(({ index }) => index === LMEM_BAR);
  if (vendor !== '8086' || !isDisplay(kind) || !bar?.sizes || bar.sizes.length < 2) return undefined;
  return { index: LMEM_BAR, size: bar.size, largest: Math.max(...bar.sizes) };
}
