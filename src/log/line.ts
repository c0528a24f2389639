import { escapeControl, inQuotes } from '../text.ts';
import type { LogEntry } from './log.ts';

/**
 * Longest line in bytes: a hostile name or an endless kernel message must not fill the journal. With the priority in
 * front it stays below the 1,024 bytes at which logger(1) cuts its input, were it not told otherwise: what is behind
 * the cut would be a record of its own, with a priority that the text chooses (util-linux, misc-utils/logger.c).
 */
const LONGEST = 1000;
const CUT = '…';

/**
 * The one line format of the log: the message, then `key=value` pairs that grep finds. No time and no
 * severity: the journal has its own, the file sink adds them.
 */
export function logLine(entry: LogEntry): string {
  const fields: [string, string | number | undefined][] = [
    ['guest', entry.guest],
    ['owner', entry.owner],
    ['device', entry.device],
    ['step', entry.step],
    ['result', entry.result],
    ['ms', entry.durationMs === undefined ? undefined : Math.round(entry.durationMs)],
  ];
  const pairs = fields.flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${quoted(String(value))}`],
  );
  const line = [escapeControl(entry.message), ...pairs].join(' ');
  return fits(line, LONGEST) === line ? line : `${fits(line, LONGEST - Buffer.byteLength(CUT))}${CUT}`;
}

/** As much of the beginning of a text as has at most so many bytes; no character is cut in two. */
function fits(text: string, bytes: number): string {
  return text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(bytes)).read);
}

function quoted(value: string): string {
  return /^[\w.:/-]+$/.test(value) ? value : inQuotes(value);
}
