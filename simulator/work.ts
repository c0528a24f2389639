import type { ActingProgram } from '../src/programs.ts';
import type { Errno } from './errno.ts';

/**
 * A piece of a system call, as data. A call is a list of pieces that are worked through from the front; a
 * piece may put others in front of the rest, end the call with an errno, or wait. Since the list lives in the
 * machine's state, a call whose caller is dead still takes effect, as in the kernel.
 * Devices are named by uid: one that vanished and came back is another one.
 */
export type Work =
  /** Take, give back a lock: a device's (`device_lock`) or the bus' (`pci_lock_rescan_remove`). */
  | { readonly do: 'lock' | 'unlock'; readonly key: string }
  /** Look up the attribute and call its store function. */
  | { readonly do: 'store'; readonly path: string; readonly data: string; readonly create: boolean }
  /** The same through a file that was opened earlier. */
  | { readonly do: 'store-open'; readonly handle: string; readonly data: string }
  /** Wait until the fault with this id is released. */
  | { readonly do: 'hang'; readonly fault: string }
  | { readonly do: 'sleep'; readonly until: number }
  /** Never return: the task was killed by a bug in the kernel, with its locks held. */
  | { readonly do: 'wedge'; readonly reason: string }
  | { readonly do: 'fail'; readonly errno: Errno }
  | Attach
  /** Offer a device to the registered drivers (device_attach). */
  | { readonly do: 'probe'; readonly uid: number; readonly strict: boolean }
  /** Take a device's driver off, whichever it is (device_driver_detach), the lock held. */
  | { readonly do: 'detach'; readonly uid: number }
  /** Wait for remove() and clear the binding. */
  | { readonly do: 'removed'; readonly uid: number; readonly driver: string }
  | { readonly do: 'remove-tree'; readonly uid: number; readonly keep: boolean }
  | { readonly do: 'delete'; readonly uid: number; readonly keep: boolean }
  | { readonly do: 'rescan' }
  | { readonly do: 'override'; readonly uid: number; readonly text: string }
  | { readonly do: 'set-power'; readonly uid: number; readonly value: 'auto' | 'on' }
  | { readonly do: 'enable'; readonly uid: number; readonly on: boolean }
  | { readonly do: 'reset'; readonly uid: number }
  | { readonly do: 'resize'; readonly uid: number; readonly bar: number; readonly bit: number }
  | { readonly do: 'numvfs'; readonly uid: number; readonly count: number }
  | { readonly do: 'make-vfs'; readonly uid: number; readonly count: number }
  | { readonly do: 'drop-vfs'; readonly uid: number }
  /** The card's link to a function goes before the function does. */
  | { readonly do: 'unlink-vf'; readonly uid: number }
  | { readonly do: 'vfs-gone'; readonly uid: number }
  /** What a program does, as far as it does it at once; the rest is work that it leaves. */
  | { readonly do: 'unit-stopped'; readonly key: string }
  | { readonly do: 'run'; readonly program: ActingProgram; readonly args: readonly string[] }
  /** Wait until nobody has a mediated device open that is being removed, then forget it. */
  | { readonly do: 'mdev-gone'; readonly uuid: string }
  | { readonly do: 'load'; readonly module: string; readonly obeyBlacklist?: boolean }
  | { readonly do: 'unload'; readonly module: string }
  | { readonly do: 'unregister'; readonly module: string };

/** Bind a device to one driver, the device's lock held. */
export interface Attach {
  readonly do: 'attach';
  readonly uid: number;
  readonly driver: string;
  /**
   * What an error means. `bind`: it is the answer. `probe`: the next driver is tried, except for a refused
   * DMA owner, which drivers_probe turns into EINVAL. `quiet`: nothing (module load, rescan).
   */
  readonly errors: 'bind' | 'probe' | 'quiet';
  /** Set when faults of the probe were already looked at. */
  readonly resumed?: true;
}

/** What a piece comes to. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'then'; readonly todo: readonly Work[] }
  | { readonly kind: 'wait'; readonly for: string }
  | { readonly kind: 'failed'; readonly errno: Errno };

export const done: Outcome = { kind: 'done' };

/** The call ends with this errno. */
export function failed(errno: Errno): Outcome {
  return { kind: 'failed', errno };
}

/** These pieces come next. */
export function then(...todo: readonly Work[]): Outcome {
  return { kind: 'then', todo };
}

/** Key of the lock that serialises adding and removing devices (drivers/pci/probe.c:pci_lock_rescan_remove). */
export const busLock = '@bus';

/** Key of a device's lock. */
export function deviceLock(uid: number): string {
  return `device ${uid}`;
}
