import { advice } from '../hint.ts';
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { guestFileName, guestFiles, type GuestKey } from '../config/guest-file.ts';
import { quoteName, shownPath } from '../text.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { listTrustedDirectory, type TrustedTree } from './trusted-file.ts';

/** Where a guest's configuration goes, and whom it must belong to. */
export interface ConfigTarget {
  readonly configDir: string;
  readonly trustedUid: number;
  readonly guest: GuestKey;
  /** Whether a file that is there may be replaced. */
  readonly replace: boolean;
}

/** What was written. */
export interface WrittenConfig {
  readonly path: string;
  /** Where the files that were there are now; none of these names is ever read. */
  readonly backups: readonly string[];
}

/**
 * Writes the configuration file of a guest where the hook looks for it, with an owner and a mode that it trusts.
 * A file of the guest that is there already, whatever its ending, is left alone; with `replace` it becomes a backup.
 * Throws VH_CONFIG, with nothing changed, when there is such a file, or the directory is not to be trusted.
 */
export function writeGuestConfig(target: ConfigTarget, text: string): WrittenConfig {
  const { configDir, trustedUid, guest, replace } = target;
  const tree: TrustedTree = { root: configDir, trustedUid, code: 'VH_CONFIG', what: 'configuration' };
  const directory = join(configDir, 'domains');
  if (process.geteuid?.() !== trustedUid) throw notPermitted(directory);
  const file = guestFileName(guest);
  if (file === undefined) throw unnamed(guest);
  const path = join(directory, file);
  try {
    for (const each of [configDir, directory]) if (!existsSync(each)) mkdirSync(each, { mode: 0o755 });
    const entries = listTrustedDirectory(tree, 'domains') ?? [];
    const present = guestFiles(entries, guest).map((name) => Buffer.from(name).toString());
    const [first] = present;
    if (first !== undefined && !replace) throw exists(join(directory, first));
    const backups = present.map((name) => keep(join(directory, name)));
    writeWhole(path, text, replace);
    for (const name of present) if (join(directory, name) !== path) unlinkSync(join(directory, name));
    return { path, backups };
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/**
 * Puts a text in the place of the guest's file at `path`, or of none: {@link writeGuestConfig} without a backup, for a change that was shown.
 * Throws VH_CONFIG.
 */
export function rewriteGuestConfig(
  { path, ...target }: Omit<ConfigTarget, 'replace'> & { readonly path?: string },
  text: string,
): void {
  if (path === undefined) {
    writeGuestConfig({ ...target, replace: false }, text);
    return;
  }
  if (process.geteuid?.() !== target.trustedUid) throw notPermitted(dirname(path));
  try {
    writeWhole(path, text, true);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/**
 * Writes a file that is not there. With `replace` one that is becomes a backup first. Throws VH_CONFIG.
 */
export function writeNewFile(path: string, text: string, replace: boolean): WrittenConfig {
  try {
    const there = existsSync(path);
    if (there && !replace) throw exists(path);
    const backups = there ? [keep(path)] : [];
    writeWhole(path, text, replace);
    return { path, backups };
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** A second name for a file, `NAME.bak` or the first of `NAME.bak2` and so on that is free. */
function keep(path: string): string {
  for (let number = 1; ; number += 1) {
    const backup = `${path}.bak${number === 1 ? '' : String(number)}`;
    try {
      linkSync(path, backup);
      return backup;
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }
}

/** Under the final name there is never half a file: a start of the guest may come at any moment. */
function writeWhole(path: string, text: string, replace: boolean): void {
  const temporary = join(dirname(path), `.${basename(path)}.new`.slice(-255));
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    writeFileSync(fd, text);
    fchmodSync(fd, 0o644);
  } finally {
    closeSync(fd);
  }
  try {
    // link(2), unlike rename(2), refuses when the name is taken.
    if (replace) renameSync(temporary, path);
    else linkSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function unnamed({ name }: GuestKey): VfioHookError {
  return new VfioHookError(
    'VH_CONFIG',
    `no file can be named after guest ${quoteName(name)}, and its XML has no <uuid> to name it after`,
    { hints: [advice('define the guest first, which gives it one: virsh define')] },
  );
}

function exists(path: string): VfioHookError {
  return new VfioHookError('VH_CONFIG', `there is ${shownPath(path)} already`, {
    path,
    hints: [advice('--force replaces it and keeps a backup; --output - only prints')],
  });
}

function notPermitted(directory: string): VfioHookError {
  return new VfioHookError(
    'VH_CONFIG',
    `cannot write to ${shownPath(directory)}: the files in it belong to root`,
    {
      path: directory,
      hints: [advice('run it as root (sudo); --output - only prints')],
    },
  );
}

function cannotWrite(path: string, error: unknown): unknown {
  const errno = errnoOf(error);
  if (error instanceof VfioHookError || errno === undefined) return error;
  if (errno === 'EEXIST') return exists(path);
  return new VfioHookError('VH_CONFIG', `cannot write ${shownPath(path)}: ${errno}`, {
    path,
    errno,
    cause: error,
  });
}
