import { advice, command } from '../hint.ts';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { errnoOf, VfioHookError, type ErrorCode } from '../errors.ts';
import { shellWord, shownPath } from '../text.ts';
import { decodeUtf8 } from '../utf8.ts';

/** A tree of files that only one user may have written. */
export interface TrustedTree {
  /** Absolute path of the directory in which everything must lie; itself no symbolic link. */
  readonly root: string;
  /** Who must own each directory, link and file: 0 on a real host. */
  readonly trustedUid: number;
  /** Code of the errors, such as `VH_CONFIG`. */
  readonly code: ErrorCode;
  /** What the tree holds, for messages: `configuration`. */
  readonly what: string;
}

/** Files larger than this are refused unread. */
export const MOST_BYTES = 1024 * 1024;

/** Links that are followed on the way to one file. */
const MOST_LINKS = 8;

/**
 * The text of a file that nobody but the trusted user can have written, or undefined when there is none.
 * `path` is relative to the root, in bytes or as text.
 *
 * - Each directory from the root down, each link and the file must belong to the trusted user, and no directory or
 *   file may be writable by its group or by others. So whoever could exchange one of them between check and use
 *   is trusted already.
 * - The file is checked through the descriptor that is read, so the bytes checked are the bytes returned.
 * - A symbolic link is followed as long as every step of it stays below the root.
 * - The file is a regular one of at most 1 MiB of UTF-8. Nothing else is ever opened for reading: a pipe would block.
 *
 * Throws an error with the tree's code, with the command that sets things right as a hint.
 */
export function readTrustedFile(tree: TrustedTree, path: string | Buffer): string | undefined {
  const found = resolve(tree, Buffer.from(path));
  if (!found) return undefined;
  const { file, shown } = found;
  if (found.stats.isDirectory()) throw refusal(tree, shown, 'it is a directory');
  checkFile(tree, shown, found.stats);
  let descriptor;
  try {
    // Node adds O_CLOEXEC itself. O_NONBLOCK: should a pipe have come here since, the open returns.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    // It went away since the look at it, as a claim does that another run has given back: look again.
    if (errnoOf(error) === 'ENOENT') return readTrustedFile(tree, path);
    throw unreadable(tree, shown, error);
  }
  try {
    const stats = fstatSync(descriptor);
    checkFile(tree, shown, stats);
    const bytes = attempt(tree, shown, () => readAll(descriptor, stats.size));
    if (bytes.length > MOST_BYTES) throw refusal(tree, shown, 'it is larger than 1 MiB');
    const text = decodeUtf8(bytes);
    if (text === undefined) throw refusal(tree, shown, 'it is not written in UTF-8');
    return text;
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Names in a directory of the tree, in byte order, or undefined when there is no such directory. As bytes, since
 * a name need not be UTF-8. `path` is relative to the root, empty for the root itself. Throws as {@link readTrustedFile}.
 */
export function listTrustedDirectory(tree: TrustedTree, path = ''): Buffer[] | undefined {
  const found = resolve(tree, Buffer.from(path));
  if (!found) return undefined;
  if (!found.stats.isDirectory()) throw refusal(tree, found.shown, 'it is no directory');
  const names = attempt(tree, found.shown, () => readdirSync(found.file, { encoding: 'buffer' }));
  return names.sort((a, b) => a.compare(b));
}

/** A file or directory that was reached through trusted directories and links only; the last step is no link. */
interface Resolved {
  readonly file: Buffer;
  readonly shown: string;
  readonly stats: Stats;
}

/** Walks from the root to `path`, as the kernel would, checking each directory and link before going through it. */
function resolve(tree: TrustedTree, path: Buffer): Resolved | undefined {
  const root = Buffer.from(tree.root);
  const rootStats = status(tree, root);
  if (!rootStats) return undefined;
  if (!rootStats.isDirectory()) throw refusal(tree, tree.root, 'it is no directory');
  checkOwnerAndMode(tree, tree.root, rootStats);

  let stats = rootStats;
  let done: Buffer[] = [];
  let ahead = components(path);
  let links = 0;
  for (let name = ahead.shift(); name; name = ahead.shift()) {
    const next = stats.isDirectory() ? status(tree, join(root, [...done, name])) : undefined;
    if (!next && links > 0) throw refusal(tree, below(tree, path), 'it is a link that leads to nothing');
    if (!next) return undefined;
    if (name.equals(PARENT)) {
      // Only links contain it: the callers' paths are made of names of entries.
      if (done.length === 0) throw outside(tree, path);
      done = done.slice(0, -1);
      stats = next;
    } else if (next.isSymbolicLink()) {
      const link = join(root, [...done, name]);
      checkOwner(tree, text(link), next, 'chown -h');
      links += 1;
      if (links > MOST_LINKS)
        throw refusal(tree, below(tree, path), `it leads over more than ${MOST_LINKS} links`);
      const target = attempt(tree, text(link), () => readlinkSync(link, { encoding: 'buffer' }));
      if (target[0] !== SLASH) {
        ahead = [...components(target), ...ahead];
        continue;
      }
      ahead = [...stepsBelow(tree, target, path), ...ahead];
      done = [];
      stats = rootStats;
    } else {
      if (next.isDirectory()) checkOwnerAndMode(tree, text(join(root, [...done, name])), next);
      done = [...done, name];
      stats = next;
    }
  }
  const file = join(root, done);
  return { file, shown: text(file), stats };
}

/** The steps from the root to the absolute target of a link. */
function stepsBelow(tree: TrustedTree, target: Buffer, path: Buffer): Buffer[] {
  const steps = components(target);
  const rootSteps = components(Buffer.from(tree.root));
  if (!rootSteps.every((step, index) => steps[index]?.equals(step) === true)) throw outside(tree, path);
  return steps.slice(rootSteps.length);
}

const SLASH = 0x2f;
const PARENT = Buffer.from('..');

/** The steps of a path; empty ones and `.` lead nowhere. */
function components(path: Buffer): Buffer[] {
  const steps: Buffer[] = [];
  for (let start = 0; start <= path.length;) {
    const slash = path.indexOf(SLASH, start);
    const end = slash === -1 ? path.length : slash;
    const step = path.subarray(start, end);
    if (step.length > 0 && !step.equals(Buffer.from('.'))) steps.push(step);
    start = end + 1;
  }
  return steps;
}

function join(root: Buffer, steps: readonly Buffer[]): Buffer {
  return Buffer.concat([root, ...steps.flatMap((step) => [Buffer.from([SLASH]), step])]);
}

function status(tree: TrustedTree, path: Buffer): Stats | undefined {
  return attempt(tree, text(path), () => lstatSync(path, { throwIfNoEntry: false }));
}

function checkFile(tree: TrustedTree, path: string, stats: Stats): void {
  if (!stats.isFile()) throw refusal(tree, path, 'it is no regular file');
  checkOwnerAndMode(tree, path, stats);
  if (stats.size > MOST_BYTES) throw refusal(tree, path, 'it is larger than 1 MiB');
}

function checkOwnerAndMode(tree: TrustedTree, path: string, stats: Stats): void {
  checkOwner(tree, path, stats, 'chown');
  if ((stats.mode & 0o022) === 0) return;
  const who = (stats.mode & 0o002) !== 0 ? 'everybody' : 'its group';
  const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
  throw refusal(tree, path, `${who} may write to it (mode ${mode})`, 'chmod go-w');
}

function checkOwner(tree: TrustedTree, path: string, stats: Stats, command: string): void {
  if (stats.uid === tree.trustedUid) return;
  const owner = tree.trustedUid === 0 ? 'root' : `uid ${tree.trustedUid}`;
  const user = tree.trustedUid === 0 ? 'root' : String(tree.trustedUid);
  throw refusal(tree, path, `it belongs to uid ${stats.uid}, not to ${owner}`, `${command} ${user}`);
}

/** Reads a file that had this size; one byte more than allowed at most, to see that it grew since. */
function readAll(descriptor: number, size: number): Buffer {
  let buffer = Buffer.alloc(size + 1);
  let length = 0;
  for (;;) {
    const count = readSync(descriptor, buffer, length, buffer.length - length, null);
    length += count;
    if (count === 0 || length > MOST_BYTES) return buffer.subarray(0, length);
    if (length === buffer.length) buffer = Buffer.concat([buffer], Math.min(2 * length, MOST_BYTES + 1));
  }
}

/** Runs a system call; its failure becomes an error with the errno and the path. */
function attempt<Result>(tree: TrustedTree, path: string, call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw unreadable(tree, path, error);
  }
}

/** The error of a failed system call; of anything else, itself. */
function unreadable(tree: TrustedTree, path: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  return new VfioHookError(tree.code, `cannot read ${tree.what} ${shownPath(path)}: ${errno}`, {
    path,
    errno,
    cause: error,
    hints: errno === 'EACCES' ? [advice('run it as root')] : [],
  });
}

function outside(tree: TrustedTree, path: Buffer): VfioHookError {
  return refusal(tree, below(tree, path), `it is a link that leads outside of ${shownPath(tree.root)}`);
}

function below(tree: TrustedTree, path: Buffer): string {
  return text(join(Buffer.from(tree.root), components(path)));
}

function refusal(tree: TrustedTree, path: string, why: string, repair?: string): VfioHookError {
  const word = shellWord(path);
  const hints = repair !== undefined && word !== undefined ? [command(`${repair} ${word}`)] : [];
  return new VfioHookError(tree.code, `cannot trust ${tree.what} ${shownPath(path)}: ${why}`, {
    path,
    hints,
  });
}

function text(path: Buffer): string {
  return path.toString('utf8');
}
