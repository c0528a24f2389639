import { readFileSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../../errors.ts';
import { withFileLock } from './file-lock.ts';
import { catchUp } from './operations.ts';
import type { MachineState } from './state.ts';
import type { Store } from './store.ts';

/** File systems round times to a tick of the kernel, 10 ms at most. */
const COARSEST_TICK_MS = 40;

/**
 * A machine that several processes share through a file. A reader sees the file before or after a change,
 * since a change replaces it with rename(2); a changer holds the lock at `<path>.lock` from reading to
 * renaming. Time is the system's monotonic clock, which is the same in all processes.
 */
export function fileStore(path: string): Store {
  let known:
    { readonly version: string | undefined; readonly text: string; readonly state: MachineState } | undefined;
  const current = (): MachineState => {
    const version = versionOf(path);
    if (known?.version !== undefined && known.version === version) return known.state;
    const text = readFileSync(path, 'utf8');
    const state = known?.text === text ? known.state : (JSON.parse(text) as MachineState);
    known = { version, text, state };
    return state;
  };
  return {
    read: (look) => look(current()),
    update: (change) =>
      withFileLock(`${path}.lock`, () => {
        const state = JSON.parse(readFileSync(path, 'utf8')) as MachineState;
        catchUp(state, now());
        const result = change(state);
        replace(path, state);
        return result;
      }),
    now,
    pause: async (ms) => {
      await delay(ms);
    },
  };
}

/** Writes a machine's first state, in place of whatever was there. */
export function createStateFile(path: string, state: MachineState): void {
  withFileLock(`${path}.lock`, () => {
    replace(path, { ...state, clock: now() });
  });
}

/** CLOCK_MONOTONIC in milliseconds. */
function now(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

/**
 * Tells two contents of the path apart. Undefined for a file so young that another one, written in the same
 * tick of the file system's clock with an inode number used again, could look the same.
 */
function versionOf(path: string): string | undefined {
  const { ino, mtimeNs, mtimeMs, size } = statSync(path, { bigint: true });
  if (Math.abs(Date.now() - Number(mtimeMs)) < COARSEST_TICK_MS) return undefined;
  return `${ino} ${mtimeNs} ${size}`;
}

function replace(path: string, state: MachineState): void {
  const fresh = `${path}.${process.pid}.new`;
  writeFileSync(fresh, JSON.stringify(state));
  try {
    renameSync(fresh, path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') unlinkSync(fresh);
    throw error;
  }
}
