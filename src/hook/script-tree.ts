import { accessSync, constants, readdirSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { VfioHookError, errnoOf } from '../errors.ts';
import { advice, command, type Hint } from '../hint.ts';
import { fileStatus } from '../host/linux/file-status.ts';
import { orAbsent } from '../host/reading.ts';
import { openingFor, type Trusted } from '../host/only-root.ts';
import { shellWord, shownPath } from '../text.ts';
import type { FoundScript } from '../plan/between.ts';
import { BETWEEN, placeBetween } from '../script-places.ts';
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
  if (isElsewhere(guest)) return [];
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

/** Why a script must not run: somebody else than root could have written it, or could put another in its place. */
export interface Distrust {
  /** What of its path is to blame. */
  readonly path: string;
  readonly found: string;
  readonly hints: readonly Hint[];
}

/** Undefined for a script that root alone can have written: it runs as root. */
export function distrustOf(tree: ScriptTree, path: string): Distrust | undefined {
  const readLink = (link: string): string | undefined => orAbsent(link, () => readlinkSync(link), 'EINVAL');
  const found = openingFor({ status: fileStatus, readLink }, path, tree);
  if (!found) return undefined;
  const word = shellWord(found.path);
  const repair = found.kind === 'owner' ? 'chown root:root' : 'chmod go-w';
  return {
    path: found.path,
    found: found.found,
    hints: [
      ...(word === undefined ? [] : [command(`${repair} ${word}`)]),
      advice('what runs as root may be changed by root alone'),
    ],
  };
}

/** Throws VH_SCRIPT for a script that is not to be trusted. */
export function refuseUntrusted(tree: ScriptTree, { path, name }: Script): void {
  const distrust = distrustOf(tree, path);
  if (!distrust) return;
  const { found, hints } = distrust;
  throw new VfioHookError('VH_SCRIPT', `cannot trust the script ${shownPath(name)}: ${found}`, {
    path: distrust.path,
    hints,
  });
}

/** The script of a guest that is to run between the unbind and the bind of a device, by its file name, or why it must not. */
export function findBetween(tree: ScriptTree, guest: string, name: string): FoundScript {
  const path = placeBetween(guest, name, tree.directory);
  const shown = [...BETWEEN, name].join('/');
  const refused = (reason: string, ...hints: readonly Hint[]): FoundScript => ({
    kind: 'refused',
    reason,
    hints,
  });
  if (isElsewhere(guest)) return refused(`the guest's name leads to no directory of scripts`);
  const word = shellWord(path);
  switch (kindOf(path)) {
    case 'script':
      break;
    case 'absent':
      return refused(
        `the script ${shown}, which its rule wants between, is not there`,
        advice(`put it at ${shownPath(path)}, executable, or take it out of the rule`),
      );
    case 'directory':
    case 'other':
      return refused(`${shown}, which its rule wants between, is no file`);
    case 'not-executable':
      return refused(
        `the script ${shown}, which its rule wants between, is not executable`,
        ...(word === undefined ? [] : [command(`chmod 755 ${word}`)]),
      );
  }
  const distrust = distrustOf(tree, path);
  if (distrust) return refused(`cannot trust the script ${shown}: ${distrust.found}`, ...distrust.hints);
  return { kind: 'script', path };
}

/** No name of a guest has a slash in it (src/conf/domain_conf.c, VIR_DOMAIN_DEF_FEATURE_NAME_SLASH), but these two lead elsewhere. */
function isElsewhere(guest: string): boolean {
  return ['', '.', '..'].includes(guest) || guest.includes('/');
}

function kindOf(path: string): 'script' | 'directory' | 'not-executable' | 'absent' | 'other' {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) return 'directory';
    if (!stats.isFile()) return 'other';
  } catch (error) {
    if (errnoOf(error) !== undefined) return 'absent';
    throw error;
  }
  try {
    accessSync(path, constants.X_OK);
    return 'script';
  } catch (error) {
    if (errnoOf(error) !== undefined) return 'not-executable';
    throw error;
  }
}
