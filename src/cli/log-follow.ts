import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { StringDecoder } from 'node:string_decoder';
import { childEnvironment } from '../child-environment.ts';
import { errnoOf } from '../errors.ts';
import { cannotRead } from './operand.ts';
import { journalArguments, type FilePosition } from './log-sources.ts';

/** Something that is followed. */
export interface Followed {
  /** Ends it; no line comes any more. */
  readonly stop: () => void;
}

/** Bytes that are read at a time. */
const CHUNK = 65_536;

/**
 * Follows a log file from a position: each finished line that is appended. A file that takes its place (logrotate) is
 * read from its beginning after the rest of the old one, and so is one that was cut (`copytruncate`). The kernel says
 * when something has changed; nothing is asked for again and again. Throws VH_FILE when the directory is not there.
 */
export function followFile(
  path: string,
  from: FilePosition | undefined,
  {
    onLine,
    onError,
  }: { readonly onLine: (line: string) => void; readonly onError: (error: unknown) => void },
): Followed {
  const open: { fd?: number; inode?: number; offset: number; rest: string; decoder: StringDecoder } = {
    offset: 0,
    rest: '',
    decoder: new StringDecoder('utf8'),
  };
  const restart = (offset: number): void => {
    open.offset = offset;
    open.rest = '';
    open.decoder = new StringDecoder('utf8');
  };
  const drain = (): void => {
    const chunk = Buffer.alloc(CHUNK);
    for (;;) {
      const count = open.fd === undefined ? 0 : readSync(open.fd, chunk, 0, CHUNK, open.offset);
      if (count === 0) return;
      open.offset += count;
      const lines = (open.rest + open.decoder.write(chunk.subarray(0, count))).split('\n');
      open.rest = lines.pop() ?? '';
      lines.forEach(onLine);
    }
  };
  const look = (): void => {
    drain();
    const now = statSync(path, { throwIfNoEntry: false });
    if (!now) return;
    if (now.ino !== open.inode) {
      if (open.fd !== undefined) closeSync(open.fd);
      open.fd = openSync(path, 'r');
      open.inode = fstatSync(open.fd).ino;
      restart(from?.inode === open.inode ? from.offset : 0);
    } else if (now.size < open.offset) restart(0);
    drain();
  };
  const watcher = watching(path, () => {
    try {
      look();
    } catch (error) {
      // It was renamed between two calls, and the next change is about the new one.
      if (errnoOf(error) !== 'ENOENT') onError(cannotRead(path, error));
    }
  });
  look();
  return {
    stop: () => {
      watcher.close();
      if (open.fd !== undefined) closeSync(open.fd);
    },
  };
}

function watching(path: string, onChange: () => void): ReturnType<typeof watch> {
  const name = basename(path);
  try {
    return watch(dirname(path), (_, changed) => {
      if (changed === null || changed.startsWith(name)) onChange();
    });
  } catch (error) {
    throw cannotRead(dirname(path), error);
  }
}

/** Follows the journal behind an entry, or from now on. `onEnd` hears when journalctl (`program`) ends by itself. */
export function followJournal(
  cursor: string | undefined,
  { onLine, onEnd }: { readonly onLine: (line: string) => void; readonly onEnd: () => void },
  program = 'journalctl',
): Followed {
  const from = cursor === undefined ? ['-n', '0'] : ['--after-cursor', cursor, '--no-tail'];
  const child = spawn(program, [...journalArguments, '-f', ...from], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: childEnvironment,
    cwd: '/',
  });
  child.on('error', onEnd);
  child.on('exit', onEnd);
  const lines = createInterface({ input: child.stdout }).on('line', onLine);
  return {
    stop: () => {
      lines.off('line', onLine);
      child.off('exit', onEnd);
      child.kill();
    },
  };
}
