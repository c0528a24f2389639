import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { errnoOf } from '../../errors.ts';
import type { Host, LockedRead, ModuleResult, WriteResult } from '../host.ts';
import { runBounded } from './child.ts';
import { errnoFromMessage } from './errno-text.ts';
import { fileStatus, securityLabel } from './file-status.ts';
import { holdersOf } from './holders.ts';
import { guestProcess, libvirtDaemons } from './libvirt.ts';
import { hasEnded, isAlive, startTimeOf } from './processes.ts';
import { blockedWrites, WRITER_VARIABLE, writerArguments } from './writers.ts';

/** The real kernel of this machine. */
export const linuxHost: Host = {
  kind: 'linux',
  read: (path) => orAbsent(() => readFileSync(path, 'utf8')),
  readBytes: (path, length) => orAbsent(() => firstBytes(path, length)),
  readLink: (path) => orAbsent(() => readlinkSync(path), [...ABSENT, 'EINVAL']),
  list: (path) => orAbsent(() => readdirSync(path).sort()),
  status: fileStatus,
  securityLabel,
  tryOpen,
  openExclusive,
  readLocked,
  write,
  loadModule,
  holders: holdersOf,
  libvirtDaemons,
  guestProcess: (guest) => guestProcess(guest),
  blockedWrites,
  isAlive,
  hasEnded,
  self: () => ({ pid: process.pid, startTime: startTimeOf(process.pid) ?? -1 }),
  now: () => Number(process.hrtime.bigint() / 1000n) / 1000,
};

/** ENODEV is what an attribute says whose device was removed after the file was opened. */
const ABSENT: readonly string[] = ['ENOENT', 'ENOTDIR', 'ENODEV'];

function orAbsent<T>(access: () => T, absent = ABSENT): T | undefined {
  try {
    return access();
  } catch (error) {
    if (absent.includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

function firstBytes(path: string, length: number): Uint8Array {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, readSync(fd, bytes, 0, length, 0));
  } finally {
    closeSync(fd);
  }
}

/** A VFIO group lets itself be opened once (drivers/vfio/group.c:vfio_group_fops_open). */
function tryOpen(path: string): 'free' | 'busy' | 'absent' | 'denied' {
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    return 'free';
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EBUSY') return 'busy';
    return errno === 'EACCES' || errno === 'EPERM' ? 'denied' : 'absent';
  }
}

/** What says that there is no such device: no node, or a node that nothing is behind any more. */
const NO_DEVICE: readonly (string | undefined)[] = ['ENOENT', 'ENOTDIR', 'ENODEV', 'ENXIO'];

/** O_NONBLOCK: a drive without a medium is not waited for. Closing what was open for reading only is no event to udev. */
function openExclusive(path: string): 'free' | 'busy' | 'absent' | 'denied' {
  try {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_EXCL | constants.O_NONBLOCK));
    return 'free';
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EBUSY') return 'busy';
    return NO_DEVICE.includes(errno) ? 'absent' : 'denied';
  }
}

/** grep prints each line behind its file's name, so that one child reads many attributes. */
async function readLocked(paths: readonly string[], deadlineMs: number): Promise<LockedRead> {
  const texts = new Map<string, string>();
  if (paths.length === 0) return { kind: 'read', texts };
  const result = await runBounded('grep', ['-sH', '-m', '1', '', ...paths], { deadlineMs });
  if (result.kind === 'stuck') return { kind: 'stuck', path: paths[0] ?? '' };
  if (result.kind === 'missing') throw new Error('there is no grep on this machine');
  for (const line of result.stdout.split('\n')) {
    const path = paths.find((candidate) => line.startsWith(`${candidate}:`));
    if (path !== undefined) texts.set(path, line.slice(path.length + 1));
  }
  return { kind: 'read', texts };
}

/**
 * One write(2) by dd: it opens without O_CREAT, so that a missing attribute is ENOENT (Node's writeFile
 * would get EACCES from sysfs), and it says the errno.
 */
async function write(path: string, value: string, deadlineMs: number): Promise<WriteResult> {
  const result = await runBounded('dd', writerArguments(path), {
    input: `${value}\n`,
    deadlineMs,
    environment: { [WRITER_VARIABLE]: `${path} ${value}` },
  });
  switch (result.kind) {
    case 'stuck':
      return result;
    case 'missing':
      return { kind: 'refused', errno: 'there is no dd on this machine' };
    case 'exited':
      return result.status === 0
        ? { kind: 'written' }
        : { kind: 'refused', errno: errnoFromMessage(result.stderr) };
  }
}

async function loadModule(name: string, deadlineMs: number): Promise<ModuleResult> {
  const result = await runBounded('modprobe', ['-b', '--', name], { deadlineMs });
  switch (result.kind) {
    case 'stuck':
      return result;
    case 'missing':
      return { kind: 'failed', reason: 'there is no modprobe on this machine' };
    case 'exited': {
      if (result.status === 0) return { kind: 'loaded' };
      const said = result.stderr.trim().split('\n').pop() ?? '';
      return { kind: 'failed', reason: said === '' ? `modprobe ended with status ${result.status}` : said };
    }
  }
}
