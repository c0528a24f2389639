import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClaimOwner } from '../../../src/claim/claim.ts';
import { flockBeside, type TakeLock } from '../../../src/engine/flock.ts';
import { lockRun } from '../../../src/engine/lock.ts';
import { errnoOf, VfioHookError } from '../../../src/errors.ts';
import { shellAt } from '../../../src/host/linux/side-shell.ts';
import { lockPlace } from './lock-place.ts';

/**
 * Takes locks and says each thing that happens in a line on stdout; gives them up when a line comes on stdin or stdin
 * ends. Arguments: state directory, guest, milliseconds to wait, and numbers of groups, `shared:NAME` and `claim:UUID`.
 * Without the last the claim is one that nobody else has. With the variable BESIDE, a directory, a shell beside this
 * process has the locks.
 */
const [stateDirectory = '', name = '', timeout = '0', ...wanted] = process.argv.slice(2);
const beside = process.env['BESIDE'];
const place = {
  ...lockPlace(stateDirectory, (sentence) => {
    process.stdout.write(`waits: ${sentence}\n`);
  }),
  ...(beside !== undefined && { takeLock: await takeBeside(beside) }),
};
const named = (rank: string): string[] =>
  wanted.filter((each) => each.startsWith(rank)).map((each) => each.slice(rank.length));
const [uuid = String(process.pid), ...more] = named('claim:');
const owners = [uuid, ...more].map((each): ClaimOwner => ({ kind: 'guest', name, uuid: each }));
const [owner, ...others] = owners as [ClaimOwner, ...ClaimOwner[]];

async function takeBeside(directory: string): Promise<TakeLock> {
  const { startShell } = await import('../../host/linux/started-shell.ts');
  const { pid, pipes } = startShell(mkdtempSync(join(directory, 'beside-')), 'unref');
  return flockBeside(shellAt(pid, pipes));
}

try {
  const locks = lockRun(place, owner, Number(timeout), others);
  locks.shared(named('shared:'));
  locks.groups(wanted.filter((each) => /^\d+$/.test(each)).map(Number));
  process.stdout.write('holds\n');
  readFileSync(0);
  locks.release();
  process.stdout.write('released\n');
} catch (error) {
  const said = error instanceof VfioHookError ? `${error.code}: ${error.message}` : String(errnoOf(error));
  process.stdout.write(`failed: ${said}\n`);
}
