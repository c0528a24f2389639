import { readFileSync } from 'node:fs';
import { errnoOf, VfioHookError } from '../errors.ts';
import type { Hint } from '../hint.ts';
import { escapeControl } from '../text.ts';

/** The text of a file that was named on the command line. Throws VH_FILE when it cannot be read. */
export function readOperand(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw cannotRead(path, error);
  }
}

/** The error for a file that was named on the command line and cannot be read; `error` says why. */
export function cannotRead(path: string, error: unknown, hints: readonly Hint[] = []): VfioHookError {
  const errno = errnoOf(error) ?? 'EIO';
  return new VfioHookError('VH_FILE', `cannot read ${escapeControl(path)}: ${reasons[errno] ?? errno}`, {
    path,
    errno,
    hints,
    cause: error,
  });
}

/** What a person can mend; the rest is said by its name. */
const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a directory',
  EACCES: 'only others may read it (EACCES)',
  ENAMETOOLONG: 'no file can have so long a name',
};
