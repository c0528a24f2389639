import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { execa } from 'execa';
import { childEnvironment } from '../child-environment.ts';
import { errnoOf } from '../errors.ts';
import { severityNumber } from '../log/file.ts';
import { severities, type Severity } from '../log/log.ts';
import { parseFileLine, parseLogLine, type ParsedLine } from '../log/parse.ts';

/** A line of the hook's log. */
export interface HookLine extends ParsedLine {
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly severity: Severity;
  /** As it was written, without time and severity. */
  readonly line: string;
}

/** A place in a file, whatever name the file has. */
export interface FilePosition {
  readonly inode: number;
  /** Bytes. */
  readonly offset: number;
}

/** What one place had. */
export interface LogSource {
  /** The place, for people. */
  readonly where: string;
  readonly lines: readonly HookLine[];
  /** Why it could not be read. */
  readonly trouble?: string;
  /** The journal's name for its last entry. */
  readonly cursor?: string;
  /** How far the file has been read. */
  readonly position?: FilePosition;
}

/** Bytes at the end of a file that are looked at. */
const TAIL = 4 * 2 ** 20;
/** Lines of the journal that are looked at. */
const MOST = 10_000;
const JOURNAL_MS = 15_000;

/** How journalctl is asked. Only for lines of root: every user can write lines with this tag. */
export const journalArguments: readonly string[] = [
  ...['-t', 'vfio-hook', '_UID=0', '-q', '--no-pager', '-o', 'json', '--output-fields=MESSAGE,PRIORITY'],
];

/**
 * The lines in the journal, oldest first.
 * journalctl is run without a shell and ended after 15 s.
 */
export async function journalLines(): Promise<LogSource> {
  const where = 'the journal (journalctl -t vfio-hook)';
  const result = await execa('journalctl', [...journalArguments, '-n', String(MOST)], {
    extendEnv: false,
    env: childEnvironment,
    cwd: '/',
    stdin: 'ignore',
    timeout: JOURNAL_MS,
    maxBuffer: 64 * 2 ** 20,
    reject: false,
  });
  const texts = result.stdout.split('\n').filter((line) => line !== '');
  const lines = texts.flatMap((line) => journalLine(line) ?? []);
  const cursor = cursorOf(texts[texts.length - 1]);
  if (!result.failed) return { where, lines, ...(cursor !== undefined && { cursor }) };
  return { where, lines, trouble: journalTrouble(result) };
}

/** In words of our own: those of the library are for programmers. */
function journalTrouble(ended: {
  readonly code?: string | undefined;
  readonly timedOut: boolean;
  readonly stderr: string;
}): string {
  if (ended.code === 'ENOENT') return 'there is no program journalctl';
  if (ended.timedOut) return `journalctl has not ended within ${JOURNAL_MS / 1000} s`;
  const [said = ''] = ended.stderr.split('\n');
  return said === '' ? `journalctl failed${ended.code === undefined ? '' : ` (${ended.code})`}` : said;
}

/** One line of `journalctl -o json`; undefined for what is none. */
export function journalLine(text: string): HookLine | undefined {
  let entry: unknown;
  try {
    entry = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { MESSAGE, PRIORITY, __REALTIME_TIMESTAMP: stamp } = entry as Readonly<Record<string, unknown>>;
  const message = messageText(MESSAGE);
  const time = new Date(Number(stamp) / 1000);
  if (message === undefined || Number.isNaN(time.getTime())) return undefined;
  const severity = severities.find((each) => String(severityNumber(each)) === PRIORITY) ?? 'info';
  return { time: time.toISOString(), severity, line: message, ...parseLogLine(message) };
}

function cursorOf(text = ''): string | undefined {
  return /"__CURSOR"\s*:\s*"([^"\\]+)"/.exec(text)?.[1];
}

/** journalctl gives what is no plain text as a list of bytes. */
function messageText(message: unknown): string | undefined {
  if (typeof message === 'string') return message;
  if (!Array.isArray(message) || !message.every((byte) => Number.isInteger(byte))) return undefined;
  return Buffer.from(message as number[]).toString('utf8');
}

/** The lines in a log file and in the newest file that it was rotated to, oldest first; undefined when there is neither. */
export function fileLines(path: string): LogSource | undefined {
  const files = [rotated(path), path].filter((file) => file !== undefined);
  const lines: HookLine[] = [];
  const found: string[] = [];
  let position: FilePosition | undefined;
  for (const file of files) {
    try {
      const tail = tailOf(file);
      lines.push(...tail.text.split('\n').flatMap(fileLine));
      if (file === path) position = tail;
      found.push(file);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      if (errno !== 'ENOENT') return { where: file, lines, trouble: errno };
    }
  }
  if (found.length === 0) return undefined;
  return { where: found.join(' and '), lines, ...(position && { position }) };
}

/** A line as it stands in the file; nothing for what is none. */
export function fileLine(text: string): HookLine[] {
  const parsed = parseFileLine(text);
  return parsed ? [{ ...parsed, ...parseLogLine(parsed.line) }] : [];
}

/** logrotate's `NAME.1`, or with `dateext` `NAME-20261120`: the one that was changed last. */
function rotated(path: string): string | undefined {
  const directory = dirname(path);
  let names: readonly string[];
  try {
    names = readdirSync(directory);
  } catch {
    return undefined;
  }
  const neighbours = names.filter(
    (name) => name.startsWith(basename(path)) && /^[.-]\d+$/.test(name.slice(basename(path).length)),
  );
  return neighbours
    .map((name) => join(directory, name))
    .map((file) => ({ file, changed: statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((a, b) => b.changed - a.changed)[0]?.file;
}

function tailOf(file: string): FilePosition & { readonly text: string } {
  const fd = openSync(file, 'r');
  try {
    const { size, ino: inode } = fstatSync(fd);
    const length = Math.min(size, TAIL);
    const bytes = Buffer.alloc(length);
    const count = readSync(fd, bytes, 0, length, size - length);
    return { inode, offset: size - length + count, text: bytes.subarray(0, count).toString('utf8') };
  } finally {
    closeSync(fd);
  }
}
