import { readlinkSync, symlinkSync, unlinkSync } from 'node:fs';
import { errnoOf } from '../src/errors.ts';
import { now } from '../src/pause.ts';
import { processAlive, thisProcess } from './process.ts';

/** Longest wait for a lock: each holder has it for a few milliseconds. */
const PATIENCE_MS = 20_000;

/**
 * Runs `work` while this process alone holds the lock at `path`.
 *
 * The lock is a symbolic link whose target names its owner (pid, start time, serial number): it is made with
 * its content in one step, and an owner that died is known by it. A dead owner's lock is removed by whoever
 * holds a second lock that is named after it; only that one may remove it, and no later lock has the same
 * content, so that a fresh lock is never taken for the dead one.
 * Throws an ETIMEDOUT error when a living process keeps the lock for twenty seconds.
 */
export function withFileLock<T>(path: string, work: () => T): T {
  acquire(path, now() + PATIENCE_MS);
  try {
    return work();
  } finally {
    unlinkSync(path);
  }
}

let serial = 0;

function acquire(path: string, deadline: number): void {
  serial += 1;
  const { pid, startTime } = thisProcess();
  const content = `${pid}.${startTime}.${serial}`;
  for (;;) {
    try {
      symlinkSync(content, path);
      return;
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    const owner = ownerOf(path);
    if (owner === undefined) continue;
    if (isDead(owner)) {
      removeDead(path, owner, deadline);
      continue;
    }
    if (now() > deadline) {
      throw Object.assign(new Error(`ETIMEDOUT: lock '${path}' is held by ${owner}`), { code: 'ETIMEDOUT' });
    }
    sleepSync(1);
  }
}

function removeDead(path: string, owner: string, deadline: number): void {
  const right = `${path}.${owner}`;
  acquire(right, deadline);
  try {
    if (ownerOf(path) === owner) unlinkSync(path);
  } finally {
    unlinkSync(right);
  }
}

function ownerOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function isDead(owner: string): boolean {
  const [pid = 0, startTime = 0] = owner.split('.').map(Number);
  return !processAlive({ pid, startTime });
}

/** Blocks this thread: an update is one synchronous step for its callers. */
function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
