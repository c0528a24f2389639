import type { SystemdUnit } from '../src/host/host.ts';
import type { FaultEffect, FaultPoint } from './faults.ts';

/**
 * Something that happens on the machine without this program: a guest starts or ends, a process opens a
 * device node, somebody pulls a card. Plain data, so that tests, the demo and a schedule can say it.
 */
export type Operation =
  /** A QEMU opens the group of these devices and the devices themselves; it fails like QEMU would. */
  | {
      readonly do: 'open-group';
      readonly devices: readonly string[];
      /** Mediated devices, by their UUIDs. */
      readonly mdevs?: readonly string[];
      readonly guest: string;
      readonly pid?: number;
    }
  /** The guest's QEMU ends, or closes what it has open. */
  | { readonly do: 'close-group'; readonly guest: string }
  /** A QEMU of this guest runs, with no device open yet, or not any more. `close-group` ends it. */
  | { readonly do: 'start-qemu'; readonly guest: string; readonly pid?: number }
  /** libvirt's daemon ends. Its guests go on. */
  | { readonly do: 'stop-libvirt' }
  /** A process opens a device node such as /dev/snd/controlC0. */
  | {
      readonly do: 'hold-node';
      readonly path: string;
      readonly program: string;
      readonly guest?: string;
      readonly unit?: SystemdUnit;
      readonly letsGoMs?: number;
    }
  /** A process closes the nodes of one device that it has open. */
  | { readonly do: 'close-nodes'; readonly pid: number; readonly uid: number }
  /** A process ends. */
  | { readonly do: 'end-process'; readonly pid: number }
  | { readonly do: 'release-node'; readonly path: string }
  /**
   * A program, or the QEMU of a guest that runs, maps huge pages and touches them, or so many of them: the rest is
   * promised to it. ENOMEM when there are not as many.
   */
  | {
      readonly do: 'map-pages';
      readonly program: string;
      readonly guest?: string;
      readonly sizeKb: number;
      readonly pages: number;
      readonly touched?: number;
      readonly node?: number;
    }
  /** A program opens so many files, with these nodes behind all others, that nobody gets through them in time. */
  | { readonly do: 'open-many-files'; readonly program: string; readonly nodes?: readonly string[] }
  /** A card is pulled out. As with hot-plug hardware its driver's remove() is waited for, then it is gone for good. */
  | { readonly do: 'unplug'; readonly device: string }
  /** The card answers every read of its configuration space with ones. */
  | { readonly do: 'lose'; readonly device: string }
  | { readonly do: 'load' | 'unload'; readonly module: string }
  | { readonly do: 'fault'; readonly rule: FaultDescription }
  | { readonly do: 'release-fault'; readonly id: string }
  | { readonly do: 'clear-faults' }
  /** Everything as described, with another boot id. */
  | { readonly do: 'reboot' };

/** A fault as people write it: what is left out is filled in (see FaultRule). */
export interface FaultDescription {
  readonly id?: string;
  readonly on?: FaultPoint;
  readonly path?: string;
  readonly value?: string;
  readonly nth?: number;
  readonly times?: number | 'always';
  readonly effect: FaultEffect;
}
