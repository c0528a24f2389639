import {
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { childEnvironment } from '../child-environment.ts';
import { childProcess } from '../child-process.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { advice } from '../hint.ts';
import type { SideShell } from '../host/linux/side-shell.ts';
import { NOT_IN_TIME, notStarted, options, unfit } from '../programs.ts';
import { makePrivateDirectory } from './durable.ts';
import { lockFile, lockSubject, type LockName } from './lock-name.ts';

/** How to take the locks of a run. */
export interface LockOptions {
  readonly stateDirectory: string;
  readonly trustedUid: number;
  /** Milliseconds to wait, for all locks of a run together. */
  readonly timeoutMs: number;
  /** Who takes them, for whoever has to wait: `guest "win11"`. */
  readonly who: string;
  readonly now: () => number;
  /** Told once, before waiting begins. */
  readonly onWait: (sentence: string) => void;
}

/** Gives a lock up. `forGood`: nobody will ever need it again, and its file goes, too. */
export type GiveUp = (forGood?: boolean) => void;

/**
 * Takes one lock, waiting until `deadline` (by `now`) at most; what it returns gives the lock up. Throws
 * VH_LOCK when the time is up.
 */
export type TakeLock = (name: LockName, deadline: number, options: LockOptions) => GiveUp;

/** Statuses of a flock that does not know an option: EX_USAGE (util-linux, sys-utils/flock.c), and busybox's. */
const WRONG_USAGE: readonly number[] = [64, 1];

/** Milliseconds that flock(1) may take beyond the time that it is told to wait. */
const GRACE_MS = 5000;

/**
 * Calls flock(2) on a lock's file, which is open here, and waits so long at most. Undefined: not within the time; else
 * what gives the lock up, beyond closing the descriptor.
 */
type Flock = (path: string, fd: number, waitMs: number) => (() => void) | undefined;

/**
 * Takes one lock: flock(2) on a file in `<stateDirectory>/locks`, taken by flock(1) on our own descriptor. It stays with
 * the descriptor after flock(1) has ended, and the kernel frees it when this process ends, however it ends. Children do
 * not inherit it (O_CLOEXEC). Throws VH_LOCK, with who is in the way, when the time is up.
 */
export const flockFile: TakeLock = takeBy(flockHere);

/**
 * As {@link flockFile}, by the shell beside this process while it is there: the lock is that shell's, which ends when
 * this process does.
 */
export function flockBeside(shell: Pick<SideShell, 'lock'>): TakeLock {
  return takeBy((path, fd, waitMs) => {
    const lock = shell.lock(path, waitMs);
    return lock === 'busy' ? undefined : (lock ?? flockHere(path, fd, waitMs));
  });
}

function takeBy(flock: Flock): TakeLock {
  return (name, deadline, options) => take(name, deadline, options, flock);
}

function take(name: LockName, deadline: number, options: LockOptions, flock: Flock): GiveUp {
  const { stateDirectory, trustedUid } = options;
  const directory = join(stateDirectory, 'locks');
  makePrivateDirectory(stateDirectory, trustedUid);
  makePrivateDirectory(directory, trustedUid);
  const what = lockSubject(name);
  const path = join(directory, lockFile(name));
  const fd = openLockFile(path);
  try {
    let unlock = flock(path, fd, 0);
    if (!unlock) {
      options.onWait(`waiting for ${holder(path)}, which works on ${what}`);
      unlock = flock(path, fd, Math.max(0, deadline - options.now()));
    }
    if (!unlock) {
      throw new VfioHookError(
        'VH_LOCK',
        `${what} is being worked on by ${holder(path)}, which did not finish in ${options.timeoutMs / 1000} s`,
        { path, hints: [advice('see what it does: vfio-hook status; then try again')] },
      );
    }
    sayWho(fd, options.who);
    return (forGood = false) => {
      if (forGood) removeLockFile(path);
      letGo(fd);
      unlock();
    };
  } catch (error) {
    letGo(fd);
    throw error;
  }
}

/** The descriptor is closed, and the lock with it, whatever close(2) has to say of the words in the file. */
function letGo(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // Said above.
  }
}

/** Whoever waits for the file that is gone gets its lock all the same, and finds nothing to do. */
function removeLockFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Nothing is lost but the room that it takes.
  }
}

/** flock(2) asks for no more than a descriptor: where nothing can be written, a file that is there is opened for reading. */
function openLockFile(path: string): number {
  const { O_RDWR, O_RDONLY, O_CREAT, O_NOFOLLOW } = constants;
  try {
    return openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EROFS' && existsSync(path)) return openSync(path, O_RDONLY | O_NOFOLLOW);
    if (errno === undefined) throw error;
    throw new VfioHookError('VH_LOCK', `cannot open ${path}: ${errno}`, {
      path,
      errno,
      hints: [advice('nothing was changed; see: df -i /run')],
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

function flockHere(_: string, fd: number, waitMs: number): (() => void) | undefined {
  const wait = waitMs > 0 ? ['-w', (waitMs / 1000).toFixed(3)] : ['-n'];
  const result = childProcess().spawnSync('flock', [...options.flock, ...wait, '3'], {
    stdio: ['ignore', 'ignore', 'pipe', fd],
    cwd: '/',
    env: childEnvironment,
    encoding: 'utf8',
    timeout: Math.ceil(waitMs) + GRACE_MS,
    killSignal: 'SIGKILL',
  });
  if (result.status === 0) return () => undefined;
  if (result.status === NOT_IN_TIME) return undefined;
  const errno = errnoOf(result.error);
  if (errno !== undefined && errno !== 'ETIMEDOUT') throw notStarted('flock', errno, result.error);
  if (result.status !== null && WRONG_USAGE.includes(result.status)) throw unfit('flock', result.stderr);
  const how =
    errno === 'ETIMEDOUT'
      ? `flock did not end within ${(Math.ceil(waitMs) + GRACE_MS) / 1000} s`
      : `flock ended with ${result.signal ?? `status ${String(result.status)}`}`;
  throw new VfioHookError('VH_LOCK', `cannot lock: ${how}`, {
    hints: [advice('nothing was changed; try again, and see: vfio-hook status')],
  });
}

function holder(path: string): string {
  try {
    const said = readFileSync(path, 'utf8').trim();
    return said === '' ? 'another run' : said;
  } catch {
    return 'another run';
  }
}
