import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { VfioHookError } from '../errors.ts';
import { advice } from '../hint.ts';
import type { ScriptFile } from '../import/import.ts';
import { libvirtMoments, SCRIPT_TREE } from '../script-places.ts';
import { shownPath } from '../text.ts';
import { cannotRead } from './operand.ts';

/** Scripts looked at, and bytes of each. */
const MOST_SCRIPTS = 200;
const MOST_BYTES = 65_536;
/** Directories on the way to a script: guest, operation, sub-operation, and one more. */
const DEEPEST = 4;

/**
 * The scripts of a guest below a directory, or the one script that a file is. The directory may be the tree of all guests, that of the
 * guest, or any with scripts in it. Texts without `#!` in their first line are left out, whatever they are: this program reads as
 * root, and what it reads it shows. Throws VH_FILE where there is none.
 */
export function scriptFiles(guest: string, from: string): ScriptFile[] {
  const start = resolve(from);
  if (!isDirectory(start, from)) {
    const text = scriptText(start);
    if (text === undefined)
      throw noScript(`${shownPath(from)} is no script: its first line does not begin with #!`);
    return [{ path: start, text, isHook: true }];
  }
  const own = ['', '.', '..'].includes(guest) || guest.includes('/') ? start : join(start, guest);
  const root = isDirectory(own) ? own : start;
  const files = filesBelow(root, DEEPEST).slice(0, MOST_SCRIPTS);
  const scripts = files.flatMap((path): ScriptFile[] => {
    const text = scriptText(path);
    return text === undefined ? [] : [{ path, text, ...momentOf(path.slice(root.length + 1)) }];
  });
  if (scripts.length === 0)
    throw noScript(`there is no script for guest ${JSON.stringify(guest)} in ${shownPath(from)}`);
  return scripts;
}

/** What a script may read with `source`: files beside the scripts, such as kvm.conf, and no others. */
export function sourcedBy(
  scripts: readonly ScriptFile[],
  tree: string,
): (path: string) => string | undefined {
  const places = new Set([tree, dirname(tree), ...scripts.map(({ path }) => dirname(path))]);
  return (path) => {
    if (!path.startsWith('/') || !places.has(dirname(resolve(path)))) return undefined;
    try {
      return head(path);
    } catch {
      // Then its variables are unknown, and so is what depends on them.
      return undefined;
    }
  };
}

function momentOf(path: string): Pick<ScriptFile, 'moment'> {
  const [operation = '', sub = ''] = path.split('/').slice(-3);
  const [first = '', second = ''] = path.split('/');
  for (const [one, two] of [
    [operation, sub],
    [first, second],
  ] as const) {
    if (Object.hasOwn(libvirtMoments, one)) return { moment: [one, two] };
  }
  return {};
}

function filesBelow(directory: string, levels: number): string[] {
  if (levels < 0) return [];
  const names = readdirSync(directory, { encoding: 'buffer' }).sort((a, b) => a.compare(b));
  return names.map(String).flatMap((name) => {
    const path = join(directory, name);
    if (isDirectory(path)) return filesBelow(path, levels - 1);
    return [path];
  });
}

function isDirectory(path: string, shown?: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    if (shown === undefined) return false;
    throw cannotRead(shown, error, [
      advice('give the directory that the scripts are in, or a hook of libvirt that is one script: --from'),
    ]);
  }
}

/** Undefined for what is no script. */
function scriptText(path: string): string | undefined {
  try {
    if (!statSync(path).isFile()) return undefined;
    const text = head(path);
    return text.startsWith('#!') ? text : undefined;
  } catch (error) {
    throw cannotRead(path, error);
  }
}

function head(path: string): string {
  return readFileSync(path).subarray(0, MOST_BYTES).toString('utf8');
}

function noScript(message: string): VfioHookError {
  return new VfioHookError('VH_FILE', message, {
    hints: [
      advice(
        `scripts of the usual dispatchers are in ${SCRIPT_TREE}/GUEST; --from DIRECTORY names another place`,
      ),
    ],
  });
}
