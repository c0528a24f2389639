import { advice } from '../hint.ts';
import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errnoOf, VfioHookError } from '../errors.ts';

/**
 * Makes a directory that only this user can enter, or finds it as such. One level at a time: Node's
 * recursive mkdir never returns on some paths under /proc.
 * Throws VH_CLAIM when something else is there, or when it belongs to somebody else.
 */
export function makePrivateDirectory(path: string, trustedUid: number): void {
  try {
    mkdirSync(path, 0o700);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw cannotStore(path, error);
  }
  const stats = lstatSync(path);
  if (stats.isDirectory() && stats.uid === trustedUid && (stats.mode & 0o077) === 0) return;
  throw new VfioHookError('VH_CLAIM', `${path} is no directory that only root can enter`, {
    path,
    hints: [advice(`see who made it, then: rm -r ${path}`)],
  });
}

/**
 * Replaces a file so that after a crash or power loss there is the old text or the new one, whole: a
 * temporary file in the same directory, its data synced, renamed over the old one, the directory synced.
 * Throws VH_CLAIM when that fails; the old text is then still there, or, when only the last step failed, the new one.
 */
export function replaceFile(path: string, text: string): void {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.new`);
  try {
    unlinkIfThere(temporary);
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const fd = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    try {
      writeAll(fd, Buffer.from(text));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    syncDirectory(directory);
  } catch (error) {
    throw cannotStore(path, error);
  }
}

/** Removes a file for good; one that is gone already is as good. Throws VH_CLAIM when it stays. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
    syncDirectory(dirname(path));
  } catch (error) {
    const errno = errnoOf(error) ?? String(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return;
    throw new VfioHookError('VH_CLAIM', `cannot remove ${path}: ${errno}`, {
      path,
      errno,
      hints: [advice('what it records is given back already; when the cause is gone: vfio-hook recover')],
      cause: error,
    });
  }
}

/** Node's own removal with `force` is a module by itself, which takes as long as all of this function's user. */
function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
}

function cannotStore(path: string, error: unknown): VfioHookError {
  return new VfioHookError('VH_CLAIM', `cannot write ${path}: ${errnoOf(error) ?? String(error)}`, {
    path,
    errno: errnoOf(error) ?? 'EIO',
    hints: [advice('without this record nothing could be put back, so nothing was changed; see: df /run')],
    cause: error,
  });
}
