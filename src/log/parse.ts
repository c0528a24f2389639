import { severities, type Severity } from './log.ts';

/** A line of the log, read back. */
export interface ParsedLine {
  readonly message: string;
  readonly guest?: string;
  /** Who the devices are for, when that is no guest: `detach` or `run`. */
  readonly owner?: string;
  readonly device?: string;
  readonly step?: string;
  readonly result?: string;
  readonly ms?: number;
}

const VALUE = '[\\w.:/-]+|"(?:[^"\\\\]|\\\\.)*"';
const FIELDS = ['guest', 'owner', 'device', 'step', 'result', 'ms'] as const;
const LINE = new RegExp(`^(.*?)${FIELDS.map((key) => `(?: ${key}=(${VALUE}))?`).join('')}$`, 's');

/** Twice what `logLine` writes at most; what is longer is not from this program and is taken as a message. */
const LONGEST = 2000;

/**
 * The parts of a line that `logLine` made: each field once, in its order, at the end. A message that looks like a
 * field stays a message, since the real fields come after it. A line that was cut has lost its last fields.
 */
export function parseLogLine(line: string): ParsedLine {
  const match = line.length > LONGEST ? null : LINE.exec(line);
  if (!match) return { message: line };
  const [, message = '', ...values] = match;
  const fields = FIELDS.flatMap((key, index) => {
    const value = values[index];
    return value === undefined ? [] : [[key, key === 'ms' ? Number(value) : unquoted(value)] as const];
  });
  return { message, ...(Object.fromEntries(fields) as Omit<ParsedLine, 'message'>) };
}

/** A line of the file: its time, its severity and the rest; undefined for anything else. */
export function parseFileLine(
  line: string,
): { readonly time: string; readonly severity: Severity; readonly line: string } | undefined {
  const [, time, word, rest] = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) ([a-z]+) +(.*)$/s.exec(line) ?? [];
  const severity = severities.find((each) => each === word);
  return time === undefined || severity === undefined || rest === undefined
    ? undefined
    : { time, severity, line: rest };
}

function unquoted(value: string): string {
  if (!value.startsWith('"')) return value;
  return value
    .slice(1, -1)
    .replace(/\\u\{([0-9a-f]{1,6})\}|\\(["\\])/g, (whole, code?: string, character?: string) => {
      if (character !== undefined) return character;
      const point = parseInt(code ?? '', 16);
      return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
    });
}
