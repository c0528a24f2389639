import { spawnSync } from 'node:child_process';
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { childEnvironment } from '../child-environment.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { quoteName } from '../text.ts';
import { makePrivateDirectory } from './durable.ts';
import type { Engine } from './engine.ts';

/** What a run holds while it works on IOMMU groups. */
export interface GroupLocks {
  release(): void;
}

/** How to take locks. */
export interface LockOptions {
  readonly stateDirectory: string;
  readonly trustedUid: number;
  /** Milliseconds to wait, for all groups together. */
  readonly timeoutMs: number;
  /** Who takes them, for whoever has to wait: `guest "win11"`. */
  readonly who: string;
  readonly now: () => number;
  /** Told once, before waiting begins. */
  readonly onWait: (sentence: string) => void;
}

/** flock(1)'s status for "not within the time", by our own choice (-E). */
const NOT_IN_TIME = 75;

/**
 * Takes the locks of IOMMU groups, lowest number first, so that two runs never wait for each other in a
 * circle and runs on disjoint groups never wait at all.
 *
 * Each is flock(2) on a file in `<stateDirectory>/locks`, taken by flock(1) on our own descriptor: it stays
 * with the descriptor after flock(1) has ended, and the kernel frees it when this process ends, however it
 * ends. Children do not inherit it (O_CLOEXEC).
 * Throws VH_LOCK, with who is in the way, when the time is up.
 */
export function lockGroups(groups: readonly number[], options: LockOptions): GroupLocks {
  const { stateDirectory, trustedUid } = options;
  const directory = join(stateDirectory, 'locks');
  makePrivateDirectory(stateDirectory, trustedUid);
  makePrivateDirectory(directory, trustedUid);
  const held: number[] = [];
  const release = (): void => {
    for (const fd of held.splice(0)) closeSync(fd);
  };
  const deadline = options.now() + options.timeoutMs;
  try {
    for (const group of [...new Set(groups)].sort((a, b) => a - b)) {
      held.push(lockGroup(group, join(directory, `group-${group}`), deadline, options));
    }
  } catch (error) {
    release();
    throw error;
  }
  return { release };
}

function lockGroup(group: number, path: string, deadline: number, options: LockOptions): number {
  const fd = openLockFile(path);
  try {
    if (!flock(fd, 0)) {
      options.onWait(`waiting for ${holder(path)}, which works on IOMMU group ${group}`);
      if (!flock(fd, Math.max(0, deadline - options.now()))) {
        throw new VfioHookError(
          'VH_LOCK',
          `IOMMU group ${group} is being worked on by ${holder(path)}, which did not finish in ${options.timeoutMs / 1000} s`,
          { path, hints: ['see what it does: vfio-hook status; then try again'] },
        );
      }
    }
    sayWho(fd, options.who);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openLockFile(path: string): number {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  try {
    return openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw new VfioHookError('VH_LOCK', `cannot open ${path}: ${errno}`, {
      path,
      errno,
      hints: ['nothing was changed; see: df -i /run'],
      cause: error,
    });
  }
}

/** For whoever has to wait; a full disk must not cost the lock. */
function sayWho(fd: number, who: string): void {
  try {
    ftruncateSync(fd);
    writeSync(fd, `${who} (pid ${process.pid})\n`, 0);
  } catch {
    // "another run" is what the other one will read then.
  }
}

function flock(fd: number, waitMs: number): boolean {
  const wait = waitMs > 0 ? ['-w', (waitMs / 1000).toFixed(3)] : ['-n'];
  const result = spawnSync('flock', ['-x', ...wait, '-E', String(NOT_IN_TIME), '3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
    cwd: '/',
    env: childEnvironment,
  });
  if (result.status === 0) return true;
  if (result.status === NOT_IN_TIME) return false;
  throw new VfioHookError(
    'VH_LOCK',
    `cannot lock: flock ended with ${errnoOf(result.error) ?? String(result.status)}`,
    {
      hints: ['flock is part of util-linux; see that it is installed'],
    },
  );
}

function holder(path: string): string {
  try {
    const said = readFileSync(path, 'utf8').trim();
    return said === '' ? 'another run' : said;
  } catch {
    return 'another run';
  }
}

/** {@link lockGroups} for a guest's run; that it has to wait, and for whom, goes to the log. */
export function lockForGuest(
  engine: Engine,
  guest: string,
  groups: readonly number[],
  timeoutMs: number,
): GroupLocks {
  const { host, log } = engine;
  return lockGroups(groups, {
    ...engine,
    timeoutMs,
    who: guestHolder(guest),
    now: () => host.now(),
    onWait: (sentence) => {
      log.write({ severity: 'notice', message: sentence, guest });
    },
  });
}

/** How a guest is named in its lock file. */
export function guestHolder(name: string): string {
  return `guest ${quoteName(name)}`;
}
