import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Script } from 'node:vm';
import { attempt } from './attempt.ts';
import { actionOf, parseInvocation, simulatedMachine } from './hook/invocation.ts';

/** Loads parts, and keeps for the next run what V8 made of them: compiling them is a fifth of what a start takes. */
export interface CodeCache {
  /** The exports of a part. */
  readonly load: (path: string) => unknown;
  /** Writes what was compiled in this run. At its end, when the functions that a run needs are among it. */
  readonly keep: () => void;
}

/**
 * Where the code of a run is kept, for each action by itself, since each needs other functions: of the hook, when root calls it, and on simulated
 * machines; undefined for every other run, and for the command.
 */
export function codeDirectory(called: string, args: readonly string[]): string | undefined {
  const invocation = basename(called) === 'vfio-hook' ? undefined : parseInvocation(args);
  const action = invocation ? actionOf(invocation) : 'nothing';
  if (action === 'nothing') return undefined;
  const machine = simulatedMachine(args);
  if (machine !== undefined) return join(machine, 'cache', action);
  return process.geteuid?.() === 0 ? join('/var/cache/vfio-hook', action) : undefined;
}

/** Bytes before the code: of which Node it is. V8 itself looks at its version and its flags, too. */
const HEADER = 64;

/** Bytes of a file beyond which none is read. */
const MOST_BYTES = 8 * 1024 * 1024;

/**
 * V8 does not verify what it is given, and damaged code crashes Node. So a file is taken only when it is of the same user
 * as this process, as are its directory and the one above, and none is another's to write to; when it is of this very
 * Node; and when its two halves are equal: the code is in it twice, since a comparison takes a tenth of what a checksum
 * does. It belongs to the very part by the name of the part's directory, which has a hash of the content. Anything else
 * is as good as no file.
 */
export function codeCache(directory: string, require: (path: string) => unknown): CodeCache {
  const loaded = new Map<string, unknown>();
  const fresh: { readonly path: string; readonly script: Script }[] = [];
  return {
    load: (path) => {
      if (loaded.has(path)) return loaded.get(path);
      const kept = attempt(() => read(directory, nameOf(path)));
      // Parts are ASCII. What a CommonJS module is called with (lib/internal/modules/cjs/loader.js:wrapper).
      const text = `(function (exports, require, module, __filename, __dirname) {${readFileSync(path, 'latin1')}\n})`;
      const script = new Script(text, { filename: path, ...(kept && { cachedData: kept }) });
      if (!kept || script.cachedDataRejected === true) fresh.push({ path, script });
      const module = { exports: {} as unknown };
      (script.runInThisContext() as ModuleFunction)(module.exports, require, module, path, dirname(path));
      loaded.set(path, module.exports);
      return module.exports;
    },
    keep: () => {
      for (const { path, script } of fresh.splice(0)) {
        attempt(() => {
          write(directory, nameOf(path), script.createCachedData());
        });
      }
    },
  };
}

type ModuleFunction = (
  exports: unknown,
  require: (path: string) => unknown,
  module: { exports: unknown },
  filename: string,
  dirname: string,
) => void;

/** `0.2.0-8f14e45f-main.cjs`: the part's directory and its name. */
function nameOf(path: string): string {
  return `${basename(dirname(path))}-${basename(path)}`;
}

function header(): Buffer {
  const bytes = Buffer.alloc(HEADER);
  bytes.write(`${process.version} ${process.arch} ${process.versions.v8}`);
  return bytes;
}

function isMine({ uid, mode }: { readonly uid: number; readonly mode: number }): boolean {
  return uid === process.geteuid?.() && (mode & 0o022) === 0;
}

/** Whether nobody else can put anything in a directory's place, or into it. */
function isPrivate(directory: string): boolean {
  return [dirname(directory), directory].every((each) => {
    const stats = lstatSync(each);
    return stats.isDirectory() && isMine(stats);
  });
}

function read(directory: string, name: string): Buffer | undefined {
  if (!isPrivate(directory)) return undefined;
  const fd = openSync(
    join(directory, name),
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  );
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || !isMine(stats) || stats.size > MOST_BYTES) return undefined;
    const bytes = readFileSync(fd);
    const half = (bytes.length - HEADER) / 2;
    if (half <= 0 || !Number.isInteger(half) || !bytes.subarray(0, HEADER).equals(header())) return undefined;
    const code = bytes.subarray(HEADER, HEADER + half);
    return code.equals(bytes.subarray(HEADER + half)) ? code : undefined;
  } finally {
    closeSync(fd);
  }
}

function write(directory: string, name: string, code: Buffer): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (!isPrivate(directory)) return;
  const path = join(directory, name);
  const unfinished = join(directory, `.${name}.${process.pid}`);
  try {
    // A name that is there already is somebody else's doing: `wx` follows no link.
    writeFileSync(unfinished, Buffer.concat([header(), code, code]), { flag: 'wx', mode: 0o600 });
    renameSync(unfinished, path);
  } catch (error) {
    attempt(() => {
      unlinkSync(unfinished);
    });
    throw error;
  }
  for (const other of readdirSync(directory)) {
    if (isOutdated(other, name)) unlinkSync(join(directory, other));
  }
}

/** Whether a file is what another build has kept of this part, or a run that was killed. */
function isOutdated(other: string, name: string): boolean {
  const part = name.slice(name.lastIndexOf('-'));
  return other !== name && (other.endsWith(part) || other.startsWith('.'));
}
