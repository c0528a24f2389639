import childProcess from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';
import type { SimulatedHost } from '../../simulator/host.ts';

/**
 * What a test does about a call that changes something: makes it, makes half of it, leaves it out, or throws.
 * `half` is there for a write(2), and returns how many bytes it has written.
 */
export type Around = <T>(call: Call, make: () => T, half?: () => number) => T;

/** A call of the engine that changes the machine or its files, or starts a child. */
export interface Call {
  readonly kind: 'kernel' | 'child' | 'file';
  /** Such as `vfio-pci/bind < 0000:03:00.0` or `rename UUID.json`. */
  readonly name: string;
}

/** flock(1)'s status when the lock is not to be had: see src/engine/lock.ts. */
const NOT_IN_TIME = 75;

interface Interception {
  readonly root: string;
  readonly around: Around;
  /** Descriptors that are open below the root. */
  readonly open: Map<number, Opened>;
  /** Descriptors that have the lock on their file, by path. */
  readonly locks: Map<string, number>;
}

interface Opened {
  readonly path: string;
  /** Opened to be written to. */
  readonly writable: boolean;
}

let current: Interception | undefined;

/**
 * Stands between the engine and `node:fs` for files below `root`, as long as `action` runs.
 *
 * - Node's own functions are exchanged in the modules that the source imports them from, so the source needs no seam.
 * - flock(1) is not started: within one process whoever asks first has the lock, until the descriptor is closed.
 *   Locks between processes have a sweep of their own (test/sweep/contention.ts).
 * - What the engine leaves open is closed at the end, as the kernel does for a process that is dead.
 */
export async function intercept<T>(root: string, around: Around, action: () => Promise<T>): Promise<T> {
  if (current) throw new Error('only one interception at a time');
  current = { root, around, open: new Map(), locks: new Map() };
  Object.assign(fs, exchanged);
  childProcess.spawnSync = spawn as typeof childProcess.spawnSync;
  syncBuiltinESMExports();
  try {
    return await action();
  } finally {
    const left = [...current.open.keys()];
    current = undefined;
    Object.assign(fs, real);
    childProcess.spawnSync = realSpawn;
    syncBuiltinESMExports();
    for (const fd of left) real.closeSync(fd);
  }
}

/** The same between the engine and the kernel. */
export function aroundHost(host: SimulatedHost, around: Around): SimulatedHost {
  return {
    ...host,
    write: (path, value, deadlineMs) =>
      around({ kind: 'kernel', name: writeName(path, value) }, () => host.write(path, value, deadlineMs)),
    loadModule: (name, deadlineMs, how) =>
      around({ kind: 'kernel', name: `load ${name}` }, () => host.loadModule(name, deadlineMs, how)),
    run: (program, args, deadlineMs) =>
      around({ kind: 'kernel', name: [program, ...args].join(' ') }, () =>
        host.run(program, args, deadlineMs),
      ),
    readLocked: (paths, deadlineMs) =>
      around({ kind: 'child', name: `read ${paths.length} attributes` }, () =>
        host.readLocked(paths, deadlineMs),
      ),
  };
}

/** A write as `vfio-pci/bind < 0000:03:00.0`. */
export function writeName(path: string, value: string): string {
  return `${path.replace(/^\/sys\/bus\/pci\/(devices|drivers)\//, '')} < ${value.trimEnd() || '""'}`;
}

const realSpawn = childProcess.spawnSync;
const real = {
  closeSync: fs.closeSync,
  fsyncSync: fs.fsyncSync,
  ftruncateSync: fs.ftruncateSync,
  mkdirSync: fs.mkdirSync,
  openSync: fs.openSync,
  renameSync: fs.renameSync,
  rmSync: fs.rmSync,
  unlinkSync: fs.unlinkSync,
  writeSync: fs.writeSync,
};

const exchanged = {
  closeSync: (fd: number): void => {
    const opened = current?.open.get(fd);
    // A descriptor is closed whatever close(2) answers.
    try {
      if (opened?.writable === true) make('close', opened.path, () => undefined);
    } finally {
      current?.open.delete(fd);
      if (opened && current?.locks.get(opened.path) === fd) current.locks.delete(opened.path);
      real.closeSync(fd);
    }
  },
  fsyncSync: (fd: number): void => {
    onDescriptor('sync', fd, () => {
      real.fsyncSync(fd);
    });
  },
  ftruncateSync: (fd: number, length?: number): void => {
    onDescriptor('truncate', fd, () => {
      real.ftruncateSync(fd, length);
    });
  },
  mkdirSync: (path: string, mode: number): void => {
    make('mkdir', path, () => {
      real.mkdirSync(path, mode);
    });
  },
  openSync: (path: string, flags: number, mode?: number): number => {
    const writable = (flags & fs.constants.O_CREAT) !== 0;
    const open = (): number => {
      const fd = real.openSync(path, flags, mode);
      if (isOurs(path)) current?.open.set(fd, { path, writable });
      return fd;
    };
    return writable ? make('open', path, open) : open();
  },
  renameSync: (from: string, to: string): void => {
    make('rename', to, () => {
      real.renameSync(from, to);
    });
  },
  rmSync: (path: string, options: fs.RmOptions): void => {
    make('rm', path, () => {
      real.rmSync(path, options);
    });
  },
  unlinkSync: (path: string): void => {
    make('unlink', path, () => {
      real.unlinkSync(path);
    });
  },
  writeSync: (fd: number, data: string | Buffer, position?: number): number => {
    const path = current?.open.get(fd)?.path;
    const write = (): number =>
      typeof data === 'string' ? real.writeSync(fd, data, position) : real.writeSync(fd, data, position);
    const half = (): number => {
      const rest = typeof data === 'string' ? Buffer.from(data) : data.subarray(position);
      return real.writeSync(fd, rest.subarray(0, Math.ceil(rest.length / 2)));
    };
    return path === undefined ? write() : make('write', path, write, half);
  },
};

function spawn(...args: Parameters<typeof childProcess.spawnSync>): unknown {
  const [program, , options] = args;
  const fd = (options?.stdio as readonly unknown[] | undefined)?.[3];
  const path = typeof fd === 'number' ? current?.open.get(fd)?.path : undefined;
  if (program !== 'flock' || path === undefined || typeof fd !== 'number') return realSpawn(...args);
  return around({ kind: 'child', name: `flock ${basename(path)}` }, () => {
    const holder = current?.locks.get(path);
    if (holder !== undefined && holder !== fd) return { status: NOT_IN_TIME };
    current?.locks.set(path, fd);
    return { status: 0 };
  });
}

function isOurs(path: unknown): path is string {
  return current !== undefined && typeof path === 'string' && path.startsWith(`${current.root}/`);
}

function make<T>(what: string, path: string, call: () => T, half?: () => number): T {
  if (!isOurs(path)) return call();
  return around({ kind: 'file', name: `${what} ${shortName(path)}` }, call, half);
}

function onDescriptor(what: string, fd: number, call: () => void): void {
  const path = current?.open.get(fd)?.path;
  if (path === undefined) call();
  else make(what, path, call);
}

function around<T>(call: Call, makeIt: () => T, half?: () => number): T {
  return current ? current.around(call, makeIt, half) : makeIt();
}

/** A guest's UUID, which says nothing. */
function shortName(path: string): string {
  return basename(path).replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/, 'UUID');
}
