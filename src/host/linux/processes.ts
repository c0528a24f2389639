import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { delay, now } from '../../pause.ts';
import type { ProcessIdentity } from '../host.ts';

/** Start time of a process in clock ticks after boot, or undefined when it is gone. */
export function startTimeOf(pid: number): number | undefined {
  const field = statFields(pid)?.[19];
  return field === undefined ? undefined : Number(field);
}

/** Whether the very process still exists. A zombie does not count: it writes nothing any more. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const fields = statFields(pid);
  return fields !== undefined && Number(fields[19]) === startTime && fields[0] !== 'Z';
}

/** Pause between two looks at a process that is nobody's to wait for. */
const POLL_MS = 10;

/** Waits until a process has ended, at most so long; whether it has. */
export async function hasEnded(process: ProcessIdentity, deadlineMs: number): Promise<boolean> {
  const deadline = now() + deadlineMs;
  while (isAlive(process)) {
    const left = deadline - now();
    if (left <= 0) return false;
    await delay(Math.min(left, POLL_MS));
  }
  return true;
}

/** The numbers of all processes. */
export function pids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Number of a process' parent; 0 when there is none. */
export function parentOf(pid: number): number {
  return Number(statFields(pid)?.[1] ?? 0);
}

/** One letter for what a process does, as in /proc/PID/stat; undefined when it is gone. */
export function stateOf(pid: number): string | undefined {
  return statFields(pid)?.[0];
}

/** PF_KTHREAD (include/linux/sched.h), in the flags of /proc/PID/stat. */
const KERNEL_THREAD = 0x20_0000;

/** Whether a process is a thread of the kernel's own: those have no files open (kernel/kthread.c:kthreadd). */
export function isKernelThread(pid: number): boolean {
  return (Number(statFields(pid)?.[6] ?? 0) & KERNEL_THREAD) !== 0;
}

/** Short name of a process' program, up to 15 bytes. The process itself may have chosen it. */
export function nameOf(pid: number): string | undefined {
  return readProc(pid, 'comm')?.replace(/\n$/, '');
}

/** A process' arguments. The process itself may have chosen them: they say something only of one that is root's. */
export function commandLine(pid: number): string[] {
  return (readProc(pid, 'cmdline') ?? '').split('\0').slice(0, -1);
}

/**
 * Whether a process was started by root on this host, and not by a user who became root on the way: real,
 * effective and saved user are 0, and its program is none that makes users root (sudo has only zeros, too, while it
 * still asks for the password, and the arguments and environment that its user gave it). Root of a container is
 * not root of the host, see {@link isOfThisNamespace}.
 */
export function isRoots(pid: number): boolean {
  const status = readProc(pid, 'status') ?? '';
  return /^Uid:(?:\s+0){4}$/m.test(status) && isOfThisNamespace(status) && !isSetuid(pid);
}

/**
 * Whether a process is in the PID namespace of this host's /proc. Those of containers and sandboxes have a number
 * in each namespace from ours down to theirs (`NSpid` in proc(5)). Kernels without the line have none to tell.
 */
export function isOfThisNamespace(status: string): boolean {
  return !/^NSpid:\s+\d+\s+\d/m.test(status);
}

const SETUID = 0o4000;

function isSetuid(pid: number): boolean {
  try {
    return ((statSync(`/proc/${pid}/exe`, { throwIfNoEntry: false })?.mode ?? 0) & SETUID) !== 0;
  } catch {
    return false;
  }
}

/** A file below /proc/PID; undefined when the process is gone or the file is not for this user. */
export function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
}

/** What the kernel appends to a file's path once that is removed (fs/d_path.c). */
const DELETED = ' (deleted)';

/**
 * What a link below /proc/PID names; undefined when the process is gone or the link is not for this user. A file that
 * was removed since, and perhaps made again, is named as it was: a node of a device is still that node, an upgraded
 * program still that program.
 */
export function readProcLink(pid: number | 'self', link: string): string | undefined {
  try {
    const text = readlinkSync(`/proc/${pid}/${link}`);
    return text.endsWith(DELETED) ? text.slice(0, -DELETED.length) : text;
  } catch {
    return undefined;
  }
}

/** Fields of /proc/PID/stat from the third on: the second is the program's name, in which anything can stand (proc(5)). */
function statFields(pid: number): string[] | undefined {
  const stat = readProc(pid, 'stat');
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}
