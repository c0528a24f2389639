import { escapeControl } from '../text.ts';
import type { LogEntry } from './log.ts';

/** Longest line in characters: a hostile name or an endless kernel message must not fill the journal. */
const LONGEST = 1000;

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
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST - 1)}…`;
}

function quoted(value: string): string {
  return /^[\w.:/-]+$/.test(value) ? value : `"${escapeControl(value.replace(/["\\]/g, '\\$&'))}"`;
}
