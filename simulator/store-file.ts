import { closeSync, fstatSync, openSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { errnoOf } from '../src/errors.ts';
import { delay, now } from '../src/pause.ts';
import { withFileLock } from './file-lock.ts';
import { catchUp } from './operations.ts';
import type { MachineState } from './state.ts';
import type { Store } from './store.ts';

/** A state that was read or written, and the file that it came from. */
interface Known {
  /** Kept open: as long as the file has its name, its link count is 1, and no other file gets its inode. */
  readonly fd: number;
  readonly state: MachineState;
}

/**
 * A machine that several processes share through a file. A reader sees the file before or after a change,
 * since a change replaces it with rename(2); a changer holds the lock at `<path>.lock` from reading to
 * renaming. Time is the system's monotonic clock, which is the same in all processes.
 */
export function fileStore(path: string): Store {
  let known: Known | undefined;
  const current = (): Known => {
    if (known && fstatSync(known.fd).nlink > 0) return known;
    const fd = openSync(path, 'r');
    return know({ fd, state: JSON.parse(readFileSync(fd, 'utf8')) as MachineState });
  };
  const forget = (): void => {
    if (known) closeSync(known.fd);
    known = undefined;
  };
  const know = (next: Known): Known => {
    forget();
    known = next;
    return next;
  };
  return {
    read: (look) => look(current().state),
    update: (change) =>
      withFileLock(`${path}.lock`, () => {
        // Changed in place, under another identity: what was made of the old one is not asked for again.
        const state = { ...current().state };
        try {
          catchUp(state, now());
          const result = change(state);
          know({ fd: replace(path, JSON.stringify(state)), state });
          return result;
        } catch (error) {
          forget();
          throw error;
        }
      }),
    now,
    pause: delay,
  };
}

/** Writes a machine's first state, in place of whatever was there. */
export function createStateFile(path: string, state: MachineState): void {
  withFileLock(`${path}.lock`, () => {
    closeSync(replace(path, JSON.stringify({ ...state, clock: now() })));
  });
}

/** Puts a file with this text in the place of the old one; its descriptor. */
function replace(path: string, text: string): number {
  const fresh = `${path}.${process.pid}.new`;
  const fd = openSync(fresh, 'w');
  try {
    writeFileSync(fd, text);
    renameSync(fresh, path);
    return fd;
  } catch (error) {
    closeSync(fd);
    if (errnoOf(error) !== 'ENOENT') unlinkSync(fresh);
    throw error;
  }
}
