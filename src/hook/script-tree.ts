import { accessSync, constants, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { VfioHookError, errnoOf } from '../errors.ts';
import { advice, command, type Hint } from '../hint.ts';
import { fileStatus } from '../host/linux/file-status.ts';
import { orAbsent } from '../host/reading.ts';
import { openingFor, type Trusted } from '../host/only-root.ts';
import { shellWord, shownPath } from '../text.ts';
import type { Invocation } from './invocation.ts';

/** Where the scripts of guests are, and whose they must be. */
export interface ScriptTree extends Trusted {
  /** Such as `/etc/libvirt/hooks/qemu.d`. */
  readonly directory: string;
}

/** A script that is to run, or the reason for which it must not. */
export interface Script {
  readonly path: string;
  /** Below the directory of the guest, such as `prepare/begin/10-display.sh`. */
  readonly name: string;
}

/** An operation and a sub-operation of libvirt, as parts of a path. */
const WORD = /^[a-z]+$/;

/**
 * The scripts for a call, in the tree that the usual dispatchers have: `GUEST/OPERATION/SUB-OPERATION`, a directory or
 * itself a script. Every executable file counts, links followed, in the order of the bytes of their names.
 */
export function scriptsFor(
  tree: ScriptTree,
  { guest, operation, subOperation }: Invocation,
): readonly Script[] {
  // No name of a guest has a slash in it (src/conf/domain_conf.c, VIR_DOMAIN_DEF_FEATURE_NAME_SLASH), but these two lead elsewhere.
  if (['', '.', '..'].includes(guest) || guest.includes('/')) return [];
  if (!WORD.test(operation) || !(WORD.test(subOperation) || subOperation === '-')) return [];
  const name = `${operation}/${subOperation}`;
  const place = join(tree.directory, guest, name);
  const kind = kindOf(place);
  if (kind === 'script') return [{ path: place, name }];
  if (kind !== 'directory') return [];
  return readdirSync(place, { encoding: 'buffer' })
    .sort((a, b) => a.compare(b))
    .map(String)
    .map((each): Script => ({ path: join(place, each), name: `${name}/${each}` }))
    .filter(({ path }) => kindOf(path) === 'script');
}

/**
 * Throws VH_SCRIPT for a script that somebody else than root could have written, or could put another in the place of: it
 * runs as root.
 */
export function refuseUntrusted(tree: ScriptTree, { path, name }: Script): void {
  const readLink = (link: string): string | undefined => orAbsent(link, () => readlinkSync(link), 'EINVAL');
  const found = openingFor({ status: fileStatus, readLink }, path, tree);
  if (!found) return;
  const word = shellWord(found.path);
  const repair = found.kind === 'owner' ? 'chown root:root' : 'chmod go-w';
  const hints: readonly Hint[] = word === undefined ? [] : [command(`${repair} ${word}`)];
  throw new VfioHookError('VH_SCRIPT', `cannot trust the script ${shownPath(name)}: ${found.found}`, {
    path: found.path,
    hints: [...hints, advice('what runs as root may be changed by root alone')],
  });
}

function kindOf(path: string): 'script' | 'directory' | undefined {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) return 'directory';
    if (!stats.isFile()) return undefined;
    accessSync(path, constants.X_OK);
    return 'script';
  } catch (error) {
    if (errnoOf(error) !== undefined) return undefined;
    throw error;
  }
}
