import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { readFailure } from '../../failure.ts';
import type { Host, ModuleOptions, ModuleResult, SlowRead, WriteResult } from '../host.ts';
import { delay, now } from '../../pause.ts';
import { options, unfit } from '../../programs.ts';
import { sysfs } from '../../pci/sysfs.ts';
import { isAbsence, orAbsent } from '../reading.ts';
import { runBounded } from './child.ts';
import { errnoFromMessage } from './errno-text.ts';
import { fileStatus, securityLabel } from './file-status.ts';
import { openFilesAmong } from './holders.ts';
import { guestProcess, libvirtDaemons } from './libvirt.ts';
import { hasEnded, isAlive, startTimeOf } from './processes.ts';
import { blockedWrites, WRITER_VARIABLE, writerArguments } from './writers.ts';
import { linesWith } from './large-file.ts';
import { readLocked } from './locked-read.ts';
import type { SideShell } from './side-shell.ts';
import { openExclusive, tryOpen } from './opening.ts';
import { wideRoutes } from './routes.ts';
import { tryProgram } from './program-trial.ts';
import { run } from './run.ts';

/** The real kernel of this machine. */
export const linuxHost: Host = {
  kind: 'linux',
  // Of 1.1 MiB: 4 to 8 ms in one call, which reads 8 KiB at a time and decodes; 1.5 ms in two, 1 ms without decoding.
  read: (path, size) => orAbsent(path, () => textOf(path, size)),
  readBytes: (path, length) => orAbsent(path, () => firstBytes(path, length)),
  // What is no link is EINVAL (fs/stat.c:do_readlinkat).
  readLink: (path) => orAbsent(path, () => readlinkSync(path), 'EINVAL'),
  list: (path) => orAbsent(path, () => readdirSync(path).sort()),
  status: fileStatus,
  securityLabel,
  tryOpen,
  openExclusive,
  readLocked,
  readSlow,
  wideRoutes,
  write,
  loadModule,
  run,
  tryProgram,
  holders: (paths) => openFilesAmong(paths).holders,
  openFiles: (paths, ofProgram) => openFilesAmong(paths, { ofProgram }),
  libvirtDaemons,
  guestProcess: (guest) => guestProcess(guest),
  blockedWrites,
  isAlive,
  hasEnded,
  pause: (milliseconds) => delay(milliseconds),
  self: () => ({ pid: process.pid, startTime: startTimeOf(process.pid) ?? -1 }),
  now,
};

/** The same, with what the shell beside this process does for it. */
export function linuxHostBeside(shell: SideShell | undefined): Host {
  if (!shell) return linuxHost;
  return {
    ...linuxHost,
    readLocked: async (paths, deadlineMs) =>
      (await shell.readLocked(paths, deadlineMs)) ?? linuxHost.readLocked(paths, deadlineMs),
    readSlow: async (path, length, deadlineMs) =>
      (await shell.readSlow(path, length, deadlineMs)) ?? linuxHost.readSlow(path, length, deadlineMs),
    write: async (path, value, deadlineMs) =>
      (await shell.write(path, value, deadlineMs)) ?? linuxHost.write(path, value, deadlineMs),
  };
}

function textOf(path: string, size: Parameters<Host['read']>[1]): string {
  if (size === undefined) return readFileSync(path, 'utf8');
  return size === 'large' ? readFileSync(path).toString('latin1') : linesWith(size.linesWith, path);
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

/** One read(2) by dd, in the process that may be left behind. */
async function readSlow(path: string, length: number, deadlineMs: number): Promise<SlowRead> {
  const args = [`if=${path}`, `bs=${length}`, 'count=1', 'status=none'];
  const result = await runBounded('dd', args, { deadlineMs, encoding: 'latin1' });
  if (result.kind === 'stuck') return { kind: 'stuck', path };
  if (result.status === 0) return { kind: 'read', bytes: Buffer.from(result.stdout, 'latin1') };
  const errno = errnoFromMessage(result.stderr);
  if (isAbsence(errno)) return { kind: 'read' };
  throw readFailure(path, errno);
}

/** What dd of coreutils, of uutils and of busybox says about an operand that it does not know. */
const UNKNOWN_OPERAND = /nocreat|notrunc|status=LEVEL|status level|unrecognized operand/;

/**
 * What a dd that failed says. Throws VH_INSTALLATION when it knows an operand not: busybox's has no `conv=nocreat`.
 */
export function refusedWrite(path: string, stderr: string): WriteResult {
  if (UNKNOWN_OPERAND.test(stderr.replaceAll(path, ''))) throw unfit('dd', stderr);
  return { kind: 'refused', errno: errnoFromMessage(stderr) };
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
    case 'exited':
      return result.status === 0 ? { kind: 'written' } : refusedWrite(path, result.stderr);
  }
}

/** Milliseconds between two looks at whether a driver is registered, and for how long it is looked at most. */
const LOOK_EVERY_MS = 20;
const REGISTERED_IN_MS = 2000;

async function loadModule(
  name: string,
  deadlineMs: number,
  { obeyBlacklist = false, driver }: ModuleOptions = {},
): Promise<ModuleResult> {
  const started = now();
  const result = await runBounded('modprobe', [...(obeyBlacklist ? options.modprobe : []), '--', name], {
    deadlineMs,
  });
  switch (result.kind) {
    case 'stuck':
      return result;
    case 'exited': {
      if (result.status === 0) {
        if (driver !== undefined)
          await registered(driver, Math.min(started + deadlineMs, now() + REGISTERED_IN_MS));
        return { kind: 'loaded' };
      }
      const said = result.stderr.trim().split('\n').pop() ?? '';
      return { kind: 'failed', reason: said === '' ? `modprobe ended with status ${result.status}` : said };
    }
  }
}

/** A module that another process began to load is found by modprobe before its driver is there. */
async function registered(driver: string, deadline: number): Promise<void> {
  while (!existsSync(sysfs.driver(driver)) && now() < deadline) await delay(LOOK_EVERY_MS);
}
