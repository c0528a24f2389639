import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import type { BlockedWrite, GuestProcess, Holder, LibvirtProcesses, ProcessIdentity } from '../host.ts';

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

/** The processes that have a file open, this one left out. */
export function holdersOf(path: string): Holder[] {
  return pids()
    .filter((pid) => pid !== process.pid && hasOpen(pid, path))
    .map((pid) => {
      const guest = guestName(commandLine(pid));
      return {
        pid,
        name: readProc(pid, 'comm')?.trim() ?? '?',
        ...(guest !== undefined && { guest }),
      };
    });
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

function hasOpen(pid: number, path: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === path;
      } catch {
        return false;
      }
    });
  } catch {
    // The process ended meanwhile.
    return false;
  }
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
