import { VfioHookError } from '../../errors.ts';
import { readFailure } from '../../failure.ts';
import { options, unfit } from '../../programs.ts';
import type { LockedRead } from '../host.ts';
import { isAbsence } from '../reading.ts';
import { runBounded, type ChildResult } from './child.ts';
import { errnoFromMessage } from './errno-text.ts';

/**
 * The first line of each file, all read by one child: grep, which prints a NUL between the file's name and the line,
 * passes each on at once, and goes on with the next file when one cannot be read. `-s` is not among its options: an
 * error that is not said would look like an absence.
 */
export async function readLocked(paths: readonly string[], deadlineMs: number): Promise<LockedRead> {
  if (paths.length === 0) return { kind: 'read', texts: new Map() };
  return textsOf(paths, await runBounded('grep', [...options.grep, '--', ...paths], { deadlineMs }));
}

/**
 * The texts in what grep has printed. Each file must be accounted for: by a line, or by an error that says that it is
 * not there. The first one that is not is the one that grep waits for when it has not ended.
 * Throws VH_KERNEL for any other error and for a file about which grep has not said a word, VH_INSTALLATION when it
 * does not know the options.
 */
export function textsOf(paths: readonly string[], result: ChildResult): LockedRead {
  const lines = result.stdout.split('\n').slice(0, -1);
  const texts = new Map(
    lines.flatMap((line): [string, string][] => {
      const end = line.indexOf('\0');
      return end < 0 ? [] : [[line.slice(0, end), line.slice(end + 1)]];
    }),
  );
  const complaints = result.stderr.split('\n');
  const wanted = new Map<string, string>();
  for (const path of paths) {
    const text = texts.get(path);
    if (text !== undefined) {
      wanted.set(path, text);
      continue;
    }
    const complaint = complaints.find((line) => line.includes(`: ${path}: `));
    if (complaint !== undefined) {
      const errno = errnoFromMessage(complaint.slice(complaint.indexOf(`: ${path}: `)));
      if (!isAbsence(errno)) throw readFailure(path, errno);
    } else if (result.kind === 'stuck') {
      return { kind: 'stuck', path };
    } else {
      throw unaccounted(path, paths, result);
    }
  }
  return { kind: 'read', texts: wanted };
}

/** grep's status for an error, such as an option that it does not know. */
const TROUBLE = 2;

function unaccounted(
  path: string,
  paths: readonly string[],
  { status, stdout, stderr }: Extract<ChildResult, { readonly kind: 'exited' }>,
): VfioHookError {
  const aboutFiles = paths.some((each) => stderr.includes(`: ${each}: `));
  if (status === TROUBLE && stdout === '' && stderr !== '' && !aboutFiles) return unfit('grep', stderr);
  const how =
    status === -1
      ? 'grep was killed before it was read'
      : `it is empty, or grep did not read it (status ${status})`;
  return new VfioHookError('VH_KERNEL', `cannot read ${path}: ${how}`, { path });
}
