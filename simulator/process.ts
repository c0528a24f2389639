import { readFileSync } from 'node:fs';
import type { ProcessIdentity } from '../src/host/host.ts';

/** This process, as the kernel knows it. */
export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, startTime: startTimeOf(process.pid) ?? 0 };
}

/** Whether a real process is still the one that was seen. */
export function processAlive(seen: ProcessIdentity): boolean {
  return startTimeOf(seen.pid) === seen.startTime;
}

/**
 * Field 22 of /proc/PID/stat; undefined when there is no such process, or it is dead and only not yet reaped
 * (state Z or X). The second field is the program's name in brackets, in which anything can stand.
 */
function startTimeOf(pid: number): number | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
}
