import { parsePciAddress } from '../../pci/address.ts';
import { sysfs } from '../../pci/sysfs.ts';
import { acting, options, type ActingProgram } from '../../programs.ts';
import type { BlockedWrite } from '../host.ts';
import {
  commandLine,
  isAlive,
  isRoots,
  nameOf,
  pids,
  readProc,
  readProcLink,
  startTimeOf,
} from './processes.ts';

/** Name of the variable in a writer's environment that says what it writes: `<path> <value>`. */
export const WRITER_VARIABLE = 'VFIO_HOOK_WRITE';

/** The same for a program that is run for what it does: its name and arguments, as a person would type them. */
export const RUN_VARIABLE = 'VFIO_HOOK_RUN';

/** Arguments with which dd makes one write(2) to an attribute; the value comes on its stdin. */
export function writerArguments(path: string): string[] {
  return [`of=${path}`, ...options.dd];
}

/**
 * Our writers that are still there, also those of runs that have died: processes of root that show by something that no
 * other user can give them what they write.
 */
export function blockedWrites(): BlockedWrite[] {
  return pids().flatMap((pid) => {
    const args = commandLine(pid);
    const write = writeOfDd(pid, args) ?? writeOfShell(pid, args) ?? writeOfProgram(pid, args);
    if (!write || !isRoots(pid)) return [];
    const writer = { pid, startTime: startTimeOf(pid) ?? -1 };
    return isAlive(writer) ? [{ ...write, writer }] : [];
  });
}

type Write = Pick<BlockedWrite, 'path' | 'value'>;

/**
 * A dd with exactly the arguments that we give, and the variable. The variable alone says nothing: anybody can set it,
 * and programs that make users root keep it.
 */
function writeOfDd(pid: number, args: readonly string[]): Write | undefined {
  const path = writtenPath(args);
  if (path === undefined) return undefined;
  const start = `${WRITER_VARIABLE}=${path} `;
  const entry = readProc(pid, 'environ')
    ?.split('\0')
    .find((candidate) => candidate.startsWith(start));
  return entry === undefined ? undefined : { path, value: entry.slice(start.length) };
}

/** The attribute that a process writes whose arguments end in a writer's; in front there is what it was called by. */
function writtenPath(args: readonly string[]): string | undefined {
  const path = /^of=(.+)$/s.exec(args.at(-4) ?? '')?.[1];
  if (path === undefined) return undefined;
  const expected = writerArguments(path);
  return args.slice(-expected.length).every((arg, index) => arg === expected[index]) ? path : undefined;
}

/** What the shell beside a run is called, by its last argument (hooks/launcher.sh). */
const SHELL = 'vfio-hook-side-shell';

/** What it has open to write to (hooks/side-shell.bash). */
const WRITTEN = 'fd/7';

/**
 * A process of the shell beside a run: it has the attribute open, and its name is what it writes, of which the kernel
 * keeps 15 bytes. An address of a device is never longer.
 */
function writeOfShell(pid: number, args: readonly string[]): Write | undefined {
  if (args.at(-1) !== SHELL || args.at(-3) !== '-c') return undefined;
  const path = readProcLink(pid, WRITTEN);
  return path?.startsWith('/') ? { path: asAsked(path), value: (nameOf(pid) ?? '').trim() } : undefined;
}

/**
 * A program that was run for what it does: its name, and exactly the arguments that its variable says. What it does is
 * known by that line, where a write is known by its path. A script stands behind its interpreter.
 */
function writeOfProgram(pid: number, args: readonly string[]): Write | undefined {
  const start = `${RUN_VARIABLE}=`;
  const line = readProc(pid, 'environ')
    ?.split('\0')
    .find((candidate) => candidate.startsWith(start))
    ?.slice(start.length);
  const program = (Object.keys(acting) as ActingProgram[]).find((name) => line?.startsWith(`${name} `));
  if (line === undefined || program === undefined) return undefined;
  const run = args.join(' ').trimEnd();
  return run === line || run.endsWith(`/${line}`) ? { path: line, value: '' } : undefined;
}

/** The name of an attribute as this program has it: a device's by its address on the bus, not by where it is plugged in. */
function asAsked(path: string): string {
  const steps = path.split('/');
  const device = path.startsWith('/sys/devices/')
    ? steps.map((step) => parsePciAddress(step) !== undefined).lastIndexOf(true)
    : -1;
  return device < 0 ? path : [sysfs.devices, ...steps.slice(device)].join('/');
}
