import { options } from '../../programs.ts';
import type { BlockedWrite } from '../host.ts';
import { commandLine, isAlive, isRoots, pids, readProc, startTimeOf } from './processes.ts';

/** Name of the variable in a writer's environment that says what it writes: `<path> <value>`. */
export const WRITER_VARIABLE = 'VFIO_HOOK_WRITE';

/** Arguments with which dd makes one write(2) to an attribute; the value comes on its stdin. */
export function writerArguments(path: string): string[] {
  return [`of=${path}`, ...options.dd];
}

/**
 * Our writers that are still there, also those of runs that have died: processes of root with exactly the arguments
 * that we give, and the variable. The variable alone says nothing: anybody can set it, and programs that make users
 * root keep it.
 */
export function blockedWrites(): BlockedWrite[] {
  return pids().flatMap((pid) => {
    const path = writtenPath(commandLine(pid));
    if (path === undefined || !isRoots(pid)) return [];
    const start = `${WRITER_VARIABLE}=${path} `;
    const entry = readProc(pid, 'environ')
      ?.split('\0')
      .find((candidate) => candidate.startsWith(start));
    const writer = { pid, startTime: startTimeOf(pid) ?? -1 };
    return entry !== undefined && isAlive(writer) ? [{ path, value: entry.slice(start.length), writer }] : [];
  });
}

/** The attribute that a process writes whose arguments end in a writer's; in front there is what it was called by. */
function writtenPath(args: readonly string[]): string | undefined {
  const path = /^of=(.+)$/s.exec(args.at(-4) ?? '')?.[1];
  if (path === undefined) return undefined;
  const expected = writerArguments(path);
  return args.slice(-expected.length).every((arg, index) => arg === expected[index]) ? path : undefined;
}
