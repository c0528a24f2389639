import type { Card, Firmware } from './machine.ts';
import { type Suite, suites } from './suite.ts';

/** One boot and the list of cases that runs in it. */
export interface Series {
  /** Also the name of the list in cases/index.ts. */
  readonly name: string;
  /** Seconds for the whole lab; the cases have limits of their own inside. */
  readonly limit: number;
  /** Which card is at 08:00: see host/machine.ts. */
  readonly card: Card;
  /** Default BIOS. */
  readonly firmware?: Firmware;
  /** More kernel parameters. */
  readonly append: string;
  /** The suites that have what it needs; default all. */
  readonly suites?: readonly Suite[];
  /** Whether the cases install the product; otherwise it need not be built. */
  readonly needsProduct: boolean;
}

/** In the order in which they run: what the others stand on comes first. */
export const allSeries: readonly Series[] = [
  { name: 'devices', limit: 300, card: 'graphics', append: '', needsProduct: false },
  { name: 'contract', limit: 1500, card: 'plain', append: '', needsProduct: false },
  { name: 'contract-no-iommu', limit: 120, card: 'plain', append: 'intel_iommu=off', needsProduct: false },
  { name: 'contract-two-bars', limit: 120, card: 'two BARs', append: '', needsProduct: false },
  { name: 'contract-text-console', limit: 120, card: 'plain', append: '', needsProduct: false },
  { name: 'differential', limit: 1500, card: 'plain', append: '', needsProduct: false },
  { name: 'life-cycle', limit: 2400, card: 'graphics', append: '', needsProduct: true },
  { name: 'slices', limit: 1500, card: 'graphics and sliced disk', append: '', needsProduct: true },
  { name: 'sound', limit: 1200, card: 'graphics', append: '', needsProduct: true },
  { name: 'apparmor', limit: 600, card: 'graphics', append: '', needsProduct: true },
  { name: 'packages', limit: 1200, card: 'graphics', append: '', needsProduct: true },
  {
    name: 'desktop',
    limit: 1800,
    card: 'none',
    firmware: 'UEFI',
    append: 'LAB_INIT=systemd',
    // Bookworm's packages here come without systemd (host/rootfs.ts).
    suites: ['trixie', 'forky'],
    needsProduct: true,
  },
];

/** Whether a series runs in a suite. */
export function runsIn({ suites: its = suites }: Series, suite: Suite): boolean {
  return its.includes(suite);
}
