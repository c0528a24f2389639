import { lstatSync, readFileSync, type Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { GuestProcess } from '../host.ts';
import {
  commandLine,
  isAlive,
  isOfThisNamespace,
  isRoots,
  nameOf,
  pids,
  readProc,
  readProcLink,
  startTimeOf,
} from './processes.ts';

/** Programs that start QEMU guests for libvirt: the one daemon for everything, and the one of its modular daemons. */
const DAEMONS = ['libvirtd', 'virtqemud'];

/** Pids of libvirt's QEMU daemons. They are root's: any user can give a program of his their names. */
export function libvirtDaemons(): number[] {
  return pids().filter((pid) => DAEMONS.includes(nameOf(pid) ?? '') && isRoots(pid));
}

/** Where libvirt keeps what it knows of running guests (src/qemu/qemu_conf.c:virQEMUDriverConfigNew). It is root's. */
export const GUESTS_DIRECTORY = '/run/libvirt/qemu';

/**
 * The QEMU of a guest that libvirt has started, by the file `NAME.pid` that libvirt made of it
 * (src/qemu/qemu_process.c:qemuProcessPrepareHost): the guest's whole name, which has no slash. What a process says of
 * itself is not asked, since anybody can start one with the name and arguments of a QEMU. Undefined when there is no
 * such file, or it is not root's, or the process in it is not the one any more that it was written for.
 */
export function guestProcess(guest: string, directory = GUESTS_DIRECTORY): GuestProcess | undefined {
  if (guest.includes('/') || guest.includes('\0')) return undefined;
  const file = join(directory, `${guest}.pid`);
  if (!isOnlyRoots(dirname(directory)) || !isOnlyRoots(directory)) return undefined;
  const written = isOnlyRoots(file);
  const pid = written ? pidIn(file) : undefined;
  if (!written || pid === undefined || !isQemu(pid) || !isOf(pid, written)) return undefined;
  const args = commandLine(pid);
  const uuid = args.includes('-uuid') ? args[args.indexOf('-uuid') + 1] : undefined;
  return { pid, name: nameOf(pid) ?? '?', guest, ...(uuid !== undefined && { uuid }) };
}

/** What lstat(2) says of a directory or regular file that nobody but root can write to; undefined for any other. */
function isOnlyRoots(path: string): Stats | undefined {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    const isPlain = stats?.isFile() === true || stats?.isDirectory() === true;
    return isPlain && stats.uid === 0 && (stats.mode & 0o022) === 0 ? stats : undefined;
  } catch {
    return undefined;
  }
}

function pidIn(file: string): number | undefined {
  try {
    const match = /^\s*(\d{1,10})\s*$/.exec(readFileSync(file, 'latin1'));
    return match ? Number(match[1]) : undefined;
  } catch {
    return undefined;
  }
}

/** By the name of the process or of its program: qemu-system-x86_64, qemu-kvm, kvm. */
function isQemu(pid: number): boolean {
  return [nameOf(pid), basename(readProcLink(pid, 'exe') ?? '')].some((name) => /qemu|^kvm/.test(name ?? ''));
}

/** Clock ticks a second in /proc/PID/stat: USER_HZ, 100 wherever libvirt runs guests with host devices. */
const TICKS = 100;
/** What rounding may make of two times. */
const SLACK_MS = 1000;

/**
 * Whether the process with this number is the one that the file was written for, in other words: it began before that.
 * The clock may have been set since. Then the control group tells: libvirt puts guests below machine.slice, where no
 * user can put anything (src/util/vircgroup.c, resource partition `/machine`).
 */
function isOf(pid: number, { mtimeMs }: Stats): boolean {
  const startTime = startTimeOf(pid);
  if (startTime === undefined || !isAlive({ pid, startTime })) return false;
  if (!isOfThisNamespace(readProc(pid, 'status') ?? '')) return false;
  const began = Date.now() - uptimeMs() + (startTime / TICKS) * 1000;
  return began <= mtimeMs + SLACK_MS || /:\/machine(?:\.slice)?\//.test(readProc(pid, 'cgroup') ?? '');
}

function uptimeMs(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
}
