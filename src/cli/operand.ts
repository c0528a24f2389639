import { readFileSync } from 'node:fs';
import { errnoOf, VfioHookError } from '../errors.ts';

/** The text of a file that was named on the command line. Throws VH_USAGE when it cannot be read. */
export function readOperand(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new VfioHookError('VH_USAGE', `cannot read ${path}: ${errnoOf(error) ?? String(error)}`, {
      path,
      cause: error,
    });
  }
}
