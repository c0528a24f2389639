import { readdirSync, readlinkSync } from 'node:fs';
import type { Holder } from '../host.ts';
import { guestProcess } from './libvirt.ts';
import { commandLine, nameOf, parentOf, pids, readProc } from './processes.ts';
import { unitOf } from './unit.ts';

/** The processes that have one of these open; this one and those that it started are left out. */
export function holdersOf(paths: readonly string[]): Holder[] {
  if (paths.length === 0) return [];
  const wanted = new Set(paths);
  return pids().flatMap((pid) => {
    const open = pid === process.pid ? [] : openAmong(pid, wanted);
    if (open.length === 0 || isDescendant(pid)) return [];
    const guest = guestOf(pid);
    const unit = unitOf(readProc(pid, 'cgroup') ?? '');
    const holder = {
      pid,
      name: nameOf(pid) ?? '?',
      ...(guest !== undefined && { guest }),
      ...(unit && { unit }),
    };
    return open.map((path) => ({ ...holder, path }));
  });
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

/** The guest that a process says to be the QEMU of, if libvirt says so, too. */
function guestOf(pid: number): string | undefined {
  const said = guestName(commandLine(pid));
  return said !== undefined && guestProcess(said)?.pid === pid ? said : undefined;
}

/** The guest's name in a QEMU command line of libvirt: `-name guest=win10,debug-threads=on`. */
export function guestName(args: readonly string[]): string | undefined {
  const value = args[args.indexOf('-name') + 1];
  if (!args.includes('-name') || value === undefined) return undefined;
  // QEMU doubles a comma that belongs to the name (qemu/util/keyval.c).
  const match = /^(?:guest=)?((?:[^,]|,,)*)/.exec(value);
  return match?.[1]?.replaceAll(',,', ',');
}
