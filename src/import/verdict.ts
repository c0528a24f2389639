import type { PciAddress } from '../pci/address.ts';
import type { Command } from './commands.ts';

/** What a command of a script comes to with vfio-hook. */
export type Verdict =
  /** A key of the configuration does the same. */
  | { readonly kind: 'key'; readonly wish: Wish }
  /** It is done without any key, or is not needed. */
  | { readonly kind: 'itself'; readonly why: string }
  /** Part of the frame: it says something, or directs the script. */
  | { readonly kind: 'frame' }
  /** No key does it. */
  | { readonly kind: 'stays'; readonly why: string };

/** What is to be in the configuration. */
export type Wish =
  | { readonly key: 'display' }
  | { readonly key: 'services'; readonly to: 'stop' | 'start'; readonly units: readonly string[] }
  | { readonly key: 'governor'; readonly governor: string }
  | {
      readonly key: 'hugepages';
      readonly sizeKb: number;
      readonly count: number | 'auto';
      readonly node?: number;
    }
  | { readonly key: 'cpus' }
  | { readonly key: 'modules'; readonly load: readonly string[] }
  | { readonly key: 'bars'; readonly device: PciAddress; readonly bar: number; readonly bit: number }
  | { readonly key: 'between'; readonly device: PciAddress };

/** What a recogniser goes by besides the command. */
export interface Known {
  /** Units that scripts stop, or start, as the guest begins: what they do at its end is then done by the same key. */
  readonly stopped: ReadonlySet<string>;
  readonly started: ReadonlySet<string>;
  /** Addresses that the XML of the guest assigns; absent: it is not known. */
  readonly assigned?: ReadonlySet<string>;
}

/** Says what a command comes to; undefined for one that it does not know. */
export type Recogniser = (command: Command, known: Known) => Verdict | undefined;

export const itself = (why: string): Verdict => ({ kind: 'itself', why });
export const stays = (why: string): Verdict => ({ kind: 'stays', why });
export const byKey = (wish: Wish): Verdict => ({ kind: 'key', wish });
