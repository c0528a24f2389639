import { acting, replaceable, type ActingProgram } from '../../programs.ts';
import type { RunResult } from '../host.ts';
import { openingFor } from '../only-root.ts';
import { orAbsent } from '../reading.ts';
import { readlinkSync } from 'node:fs';
import { runBounded } from './child.ts';
import { fileStatus } from './file-status.ts';
import { RUN_VARIABLE } from './writers.ts';

/**
 * Runs one of the programs that do something to the host. Throws VH_INSTALLATION when it is not there, or when it lies
 * where others than root could have put it: root alone has something to lose by that.
 */
export async function run(
  program: ActingProgram,
  args: readonly string[],
  deadlineMs: number,
): Promise<RunResult> {
  const path = acting[program];
  if (path.startsWith('/') && process.geteuid?.() === 0) refuseReplaceable(path);
  const environment = { [RUN_VARIABLE]: [program, ...args].join(' ') };
  const result = await runBounded(path, args, { deadlineMs, environment });
  if (result.kind === 'stuck') return { kind: 'stuck', writer: result.writer };
  return result;
}

function refuseReplaceable(path: string): void {
  const readLink = (link: string): string | undefined => orAbsent(link, () => readlinkSync(link), 'EINVAL');
  const opening = openingFor({ status: fileStatus, readLink }, path);
  if (opening) throw replaceable(path, opening.found);
}
