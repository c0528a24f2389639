import { closeSync, constants, openSync } from 'node:fs';
import { readFailure } from '../../failure.ts';
import type { ExclusiveOpening, Opening } from '../host.ts';
import { exclusiveAfter, openingAfter } from '../reading.ts';
import { runBounded } from './child.ts';

/** A VFIO group lets itself be opened once (drivers/vfio/group.c:vfio_group_fops_open). */
export function tryOpen(path: string): Opening {
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
    return 'free';
  } catch (error) {
    return openingAfter(path, error);
  }
}

/**
 * No program of a base system opens a block device exclusively without being about to change it, so this one runs
 * itself once more. O_NONBLOCK: a drive without a medium is not waited for. Closing what was open for reading only is
 * no event to udev.
 */
const OPEN_EACH = `
const { closeSync, constants, openSync, writeSync } = require('fs');
for (const path of process.argv.slice(1)) {
  let answer = 'free';
  try {
    closeSync(openSync(path, constants.O_RDONLY | constants.O_EXCL | constants.O_NONBLOCK));
  } catch (error) {
    answer = error.code;
  }
  writeSync(1, answer + '\\n');
}`;

/**
 * Opens block devices exclusively, one after the other, in one child: with a dying disk the kernel can take minutes
 * (drivers/scsi/sd.c:sd_open waits for error handling).
 */
export async function openExclusive(paths: readonly string[], deadlineMs: number): Promise<ExclusiveOpening> {
  if (paths.length === 0) return { kind: 'opened', answers: new Map() };
  const args = ['--input-type=commonjs', '-e', OPEN_EACH, '--', ...paths];
  const result = await runBounded(process.execPath, args, { deadlineMs });
  const words = result.stdout.split('\n').slice(0, -1);
  const unanswered = paths[words.length];
  if (unanswered !== undefined) {
    if (result.kind === 'stuck') return { kind: 'stuck', path: unanswered };
    throw readFailure(unanswered, 'EIO');
  }
  return {
    kind: 'opened',
    answers: new Map(paths.map((path, index) => [path, opening(words[index] ?? '')])),
  };
}

function opening(word: string): Opening {
  return word === 'free' ? word : exclusiveAfter(word);
}
