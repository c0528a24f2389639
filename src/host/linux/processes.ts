import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import type {
  BlockedWrite,
  GuestProcess,
  Holder,
  LibvirtProcesses,
  ProcessIdentity,
  SystemdUnit,
} from '../host.ts';

/** Start time of a process in clock ticks after boot, or undefined when it is gone. */
export function startTimeOf(pid: number): number | undefined {
  const stat = readProc(pid, 'stat');
  // The program's name, in parentheses, may itself hold blanks and parentheses (proc(5)).
  const field = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  return field === undefined ? undefined : Number(field);
}

/** Whether the very process still exists. A zombie does not count: it writes nothing any more. */
export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  const stat = readProc(pid, 'stat');
  if (stat === undefined || startTimeOf(pid) !== startTime) return false;
  return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z';
}

/** The processes that have one of these open; this one and those that it started are left out. */
export function holdersOf(paths: readonly string[]): Holder[] {
  if (paths.length === 0) return [];
  const wanted = new Set(paths);
  return pids().flatMap((pid) => {
    const open = pid === process.pid ? [] : openAmong(pid, wanted);
    if (open.length === 0 || isDescendant(pid)) return [];
    const guest = guestName(commandLine(pid));
    const unit = unitOf(readProc(pid, 'cgroup') ?? '');
    const holder = {
      pid,
      name: readProc(pid, 'comm')?.trim() ?? '?',
      ...(guest !== undefined && { guest }),
      ...(unit && { unit }),
    };
    return open.map((path) => ({ ...holder, path }));
  });
}

/**
 * The unit in the text of /proc/PID/cgroup: the last `.service` or `.scope` of the path in systemd's own
 * hierarchy, which is the only one with control groups version 2. What a user's service manager runs is below
 * `user@UID.service`. Undefined without systemd, and for a name that systemd would not give.
 */
export function unitOf(cgroup: string): SystemdUnit | undefined {
  const lines = cgroup.split('\n');
  const line =
    lines.find((each) => each.includes(':name=systemd:')) ?? lines.find((each) => each.startsWith('0::'));
  const units = (line ?? '').split('/').filter((part) => /^[\w@:.\\-]+\.(?:service|scope)$/.test(part));
  const name = units.pop();
  if (name === undefined) return undefined;
  const user = /^user@(\d+)\.service$/.exec(units.pop() ?? '')?.[1];
  return { name, ...(user !== undefined && { user: Number(user) }) };
}

/** Programs that start QEMU guests for libvirt: the one daemon for everything, and the one of its modular daemons. */
const DAEMONS = ['libvirtd', 'virtqemud'];

/** libvirt's QEMU daemons, and the QEMU processes that have a guest's name, as libvirt gives it. */
export function libvirtProcesses(): LibvirtProcesses {
  const daemons: number[] = [];
  const guests: GuestProcess[] = [];
  for (const pid of pids()) {
    const name = readProc(pid, 'comm')?.trim() ?? '';
    if (DAEMONS.includes(name)) daemons.push(pid);
    if (!name.startsWith('qemu')) continue;
    const args = commandLine(pid);
    const guest = guestName(args);
    const uuid = args.includes('-uuid') ? args[args.indexOf('-uuid') + 1] : undefined;
    if (guest !== undefined) guests.push({ pid, name, guest, ...(uuid !== undefined && { uuid }) });
  }
  return { daemons, guests };
}

/** Name of the variable in a writer's environment that says what it writes: `<path> <value>`. */
export const WRITER_VARIABLE = 'VFIO_HOOK_WRITE';

/**
 * Our writers that are still there, also those of runs that have died: known by a variable in their
 * environment, which only the same user's processes are asked for, since anybody could set it in their own.
 */
export function blockedWrites(): BlockedWrite[] {
  return pids().flatMap((pid) => {
    if (ownerOf(pid) !== process.geteuid?.()) return [];
    const variable = `${WRITER_VARIABLE}=`;
    const entry = readProc(pid, 'environ')
      ?.split('\0')
      .find((candidate) => candidate.startsWith(variable));
    if (entry === undefined) return [];
    const said = entry.slice(variable.length);
    const space = said.indexOf(' ');
    const writer = { pid, startTime: startTimeOf(pid) ?? -1 };
    return isAlive(writer) ? [{ path: said.slice(0, space), value: said.slice(space + 1), writer }] : [];
  });
}

function ownerOf(pid: number): number | undefined {
  try {
    return statSync(`/proc/${pid}`).uid;
  } catch {
    return undefined;
  }
}

function pids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/**
 * Which of these a process has open, each once. The links' texts are compared: following them (stat) would wait
 * for file servers that do not answer.
 */
function openAmong(pid: number, wanted: ReadonlySet<string>): string[] {
  const found = new Set<string>();
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const path = pathOpen(`/proc/${pid}/fd/${fd}`);
      if (wanted.has(path)) found.add(path);
    }
  } catch {
    // The process ended meanwhile, or it is another user's and this one is not root.
  }
  return [...found].sort();
}

/** What the kernel appends to a file's path once that is removed (fs/d_path.c). */
const DELETED = ' (deleted)';

/** A node that was removed and made again since it was opened is still that node. Empty when the file was closed. */
function pathOpen(link: string): string {
  try {
    const text = readlinkSync(link);
    return text.endsWith(DELETED) ? text.slice(0, -DELETED.length) : text;
  } catch {
    return '';
  }
}

/** Whether this process is among the parents of another one. */
function isDescendant(pid: number): boolean {
  for (let parent = parentOf(pid); parent > 1; parent = parentOf(parent)) {
    if (parent === process.pid) return true;
  }
  return false;
}

function parentOf(pid: number): number {
  const stat = readProc(pid, 'stat');
  return Number(stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
}

function commandLine(pid: number): string[] {
  return (readProc(pid, 'cmdline') ?? '').split('\0').slice(0, -1);
}

/** The guest's name in a QEMU command line of libvirt: `-name guest=win10,debug-threads=on`. */
function guestName(args: readonly string[]): string | undefined {
  const value = args[args.indexOf('-name') + 1];
  if (!args.includes('-name') || value === undefined) return undefined;
  // QEMU doubles a comma that belongs to the name (qemu/util/keyval.c).
  const match = /^(?:guest=)?((?:[^,]|,,)*)/.exec(value);
  return match?.[1]?.replaceAll(',,', ',');
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
}
