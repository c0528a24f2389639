import { opendirSync, statSync, type Dir } from 'node:fs';
import type { Holder, OpenFiles, UnseenProcess } from '../host.ts';
import { holderFacts } from './holder-facts.ts';
import { guestProcess } from './libvirt.ts';
import { commandLine, isKernelThread, nameOf, parentOf, pids, readProc, readProcLink } from './processes.ts';
import { unitOf } from './unit.ts';

/** What a look at the open files of all processes may cost. */
export interface LookLimits {
  /** Milliseconds for all of them, by `now`. */
  readonly deadlineMs: number;
  /** Descriptors of one process that are looked at before the others have had their turn. */
  readonly firstLook: number;
  /** Milliseconds that only grow. */
  readonly now: () => number;
  /** Who is looked at: of these, the programs that `ofProgram` takes by their short names. */
  readonly processes: () => readonly number[];
  readonly ofProgram?: ((name: string) => boolean) | undefined;
}

const usual: LookLimits = {
  deadlineMs: 1000,
  firstLook: 1024,
  now: processorTime,
  processes: pids,
};

/**
 * Milliseconds that this process has had of the processors. A look at /proc waits for nothing else, so it is as long
 * as that; by the clock it takes many times as long on a host that is busy, which is no reason to refuse a start.
 */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * The processes that have one of these open; this one and those that it started are left out. Each process is looked
 * at, up to a number of descriptors that few have more of; then, while there is time, the rest of those that have:
 * root's first, since any user can open files by the ten thousand. Who was not looked at to the end is named,
 * but for threads of the kernel: half of all processes, and they have no files.
 */
export function openFilesAmong(paths: readonly string[], change: Partial<LookLimits> = {}): OpenFiles {
  if (paths.length === 0) return { holders: [], unseen: [] };
  const limits: LookLimits = { ...usual, ...change };
  const { ofProgram } = limits;
  const look: Look = { wanted: new Set(paths), until: limits.now() + limits.deadlineMs, now: limits.now };
  const found = new Map<number, ReadonlySet<string>>();
  let rest = limits
    .processes()
    .filter((pid) => pid !== process.pid && (ofProgram === undefined || ofProgram(nameOf(pid) ?? '')));
  rest = rest.filter((pid) => {
    const { open, isWhole } = openOf(pid, look, { from: 0, to: limits.firstLook });
    if (open.size > 0) found.set(pid, open);
    return !isWhole;
  });
  rest = rootsFirst(rest).filter((pid) => {
    const { open, isWhole } = openOf(pid, look, { from: limits.firstLook, to: Infinity });
    if (open.size > 0) found.set(pid, new Set([...(found.get(pid) ?? []), ...open]));
    return !isWhole;
  });
  return {
    holders: [...found].sort(([a], [b]) => a - b).flatMap(([pid, open]) => holdersIn(pid, [...open].sort())),
    unseen: rest
      .filter((pid) => !isKernelThread(pid))
      .map((pid): UnseenProcess => ({ pid, name: nameOf(pid) ?? '?' })),
  };
}

interface Look {
  readonly wanted: ReadonlySet<string>;
  /** When the time is up, by `now`. */
  readonly until: number;
  readonly now: () => number;
}

interface Seen {
  readonly open: ReadonlySet<string>;
  /** Whether there are no more descriptors, the process has ended, or its files are not for this user. */
  readonly isWhole: boolean;
}

/** Descriptors between two looks at the clock. */
const CHUNK = 128;

/**
 * Which of these a process has open, among its descriptors from one number of them to another. The links' texts are
 * compared: following them (stat) would wait for file servers that do not answer.
 */
function openOf(pid: number, { wanted, until, now }: Look, { from, to }: { from: number; to: number }): Seen {
  const open = new Set<string>();
  if (now() >= until) return { open, isWhole: false };
  let directory: Dir | undefined;
  try {
    directory = opendirSync(`/proc/${pid}/fd`, { bufferSize: CHUNK });
    for (let count = 0; ; count += 1) {
      const entry = directory.readSync();
      if (entry === null) return { open, isWhole: true };
      if (count >= to || (count % CHUNK === CHUNK - 1 && now() >= until)) return { open, isWhole: false };
      const path = count < from ? undefined : readProcLink(pid, `fd/${entry.name}`);
      if (path !== undefined && wanted.has(path)) open.add(path);
    }
  } catch {
    return { open, isWhole: true };
  } finally {
    directory?.closeSync();
  }
}

function rootsFirst(all: readonly number[]): number[] {
  const owners = new Map(all.map((pid) => [pid, ownerOf(pid)]));
  return [...all].sort((a, b) => Number(owners.get(a) !== 0) - Number(owners.get(b) !== 0) || a - b);
}

function ownerOf(pid: number): number | undefined {
  try {
    return statSync(`/proc/${pid}`).uid;
  } catch {
    return undefined;
  }
}

function holdersIn(pid: number, open: readonly string[]): Holder[] {
  if (isDescendant(pid)) return [];
  const guest = guestOf(pid);
  const unit = unitOf(readProc(pid, 'cgroup') ?? '');
  const holder = {
    pid,
    name: nameOf(pid) ?? '?',
    ...(guest !== undefined && { guest }),
    ...(unit && { unit }),
    ...holderFacts(pid),
  };
  return open.map((path) => ({ ...holder, path }));
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
