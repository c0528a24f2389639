import type { Hint } from '../../hint.ts';
import type { PciAddress } from '../../pci/address.ts';

/** What the map shows: the host as a forest, in words. Plain data, without a size or a place on the paper. */
export interface MapModel {
  readonly title: string;
  readonly subtitle: string;
  readonly roots: readonly MapRoot[];
  /** Every group with something to say about it, ascending. */
  readonly groups: readonly MapGroup[];
  /** What is to be said once about all of them: sentences. */
  readonly notes: readonly string[];
}

/** A root bus: what is behind one host bridge or one root complex. */
export interface MapRoot {
  /** `0000:00`. */
  readonly bus: string;
  /** When everything below is on one node. */
  readonly numaNode?: number;
  readonly children: readonly MapNode[];
  /** What is left out, in words: `2 ports with nothing behind them`. */
  readonly folded?: string;
}

export type MapNode =
  /** A bridge, or another device that has devices behind it (Intel VMD) */
  | {
      readonly kind: 'bridge';
      readonly address: PciAddress;
      readonly function: MapFunction;
      readonly children: readonly MapNode[];
    }
  /** The functions of one slot: a card, or a part of the board */
  | { readonly kind: 'card'; readonly address: PciAddress; readonly functions: readonly MapFunction[] };

/** Whether a guest could have the group that a function is in; `none`: it is in no group. */
export type MapState = 'possible' | 'held' | 'refused' | 'unknown' | 'nothing' | 'none';

export interface MapFunction {
  readonly address: PciAddress;
  readonly name: string;
  /** Class, driver, link and so on: short texts. */
  readonly facts: readonly string[];
  readonly group?: number;
  readonly state: MapState;
  /** The state in a word or two: the guest's name where one has it. */
  readonly stateWord: string;
  /** All of it as sentences, for whoever points at the box or cannot see it. */
  readonly description: readonly string[];
}

export interface MapGroup {
  readonly number: number;
  /** Whether it gets a colour: it has something for guests. */
  readonly coloured: boolean;
  readonly state: MapState;
  readonly verdict: string;
  /** The address and what stands there; for what is no PCI device its name in sysfs. */
  readonly members: readonly { readonly address: string; readonly name: string }[];
  readonly reasons: readonly string[];
  readonly hints: readonly Hint[];
}
