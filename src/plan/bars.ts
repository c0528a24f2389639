import { advice, type Hint } from '../hint.ts';
import { formatBarSize } from '../pci/bar.ts';
import type { PciDevice } from '../pci/device.ts';
import type { BarSize } from '../claim/claim.ts';

/** The BARs of a device that must change, or why one cannot. */
export type BarChanges =
  | { readonly kind: 'changes'; readonly changes: readonly BarChange[] }
  | { readonly kind: 'refused'; readonly reason: string; readonly hint: Hint };

/** One BAR that has another size than it should; bytes. */
export interface BarChange {
  readonly bar: number;
  readonly from: number;
  readonly to: number;
}

/** Compares wished sizes with what the device has and offers. */
export function barChanges(device: PciDevice, wished: readonly BarSize[]): BarChanges {
  const changes: BarChange[] = [];
  for (const { bar: index, size } of wished) {
    const bar = device.bars.find((candidate) => candidate.index === index);
    if (!bar?.sizes) {
      return {
        kind: 'refused',
        reason: `BAR ${index} of ${device.address} ${bar ? 'cannot be resized' : 'does not exist'}`,
        hint: resizableHint(device),
      };
    }
    if (!bar.sizes.includes(size)) {
      return {
        kind: 'refused',
        reason: `BAR ${index} of ${device.address} cannot be ${formatBarSize(size)}`,
        hint: advice(`it supports ${bar.sizes.map(formatBarSize).join(', ')}`),
      };
    }
    if (bar.size !== size) changes.push({ bar: index, from: bar.size, to: size });
  }
  return { kind: 'changes', changes };
}

function resizableHint(device: PciDevice): Hint {
  const resizable = device.bars.filter((bar) => bar.sizes);
  return resizable.length > 0
    ? advice(`resizable BARs of ${device.address}: ${resizable.map((bar) => String(bar.index)).join(', ')}`)
    : advice(
        `${device.address} has no resizable BAR; check "Above 4G decoding" and "Resizable BAR" in the firmware setup, and that Linux is 6.1 or later`,
      );
}
