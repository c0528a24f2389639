import { advice } from '../hint.ts';
import { VfioHookError } from '../errors.ts';
import { hasJournal } from '../log/journal.ts';
import { severities } from '../log/log.ts';
import { escapeControl, quoteName } from '../text.ts';
import { jsonOption, machineOption, type Command } from './command.ts';
import { jsonText } from './json.ts';
import { fileLines, journalLines, type HookLine } from './log-sources.ts';

const USUAL_LINES = 50;
const MOST_LINES = 10_000;

/** `vfio-hook log [GUEST]`: what the hook did lately. */
export const log: Command = {
  name: 'log',
  about: 'show what the hook did lately',
  details:
    'Shows the latest lines of the hook, oldest first, from wherever they went: the journal, or\n' +
    '/var/log/libvirt/vfio-hook.log where there is none. Says on stderr where it looked.',
  operands: [{ name: 'GUEST', about: 'only the lines about the guest with this name', optional: true }],
  options: [
    { name: 'lines', short: 'n', value: 'N', about: `the latest N lines (else ${USUAL_LINES})` },
    jsonOption,
    machineOption,
  ],
  examples: ['sudo vfio-hook log', 'sudo vfio-hook log win11 --lines 200'],
  run: async (call, terminal) => {
    const most = lineCount(call.options.get('lines'));
    const [guest] = call.operands;
    const { journal, logFile } = terminal.locations(call);
    const sources = [
      ...(journal && hasJournal() ? [await journalLines()] : []),
      ...listOf(fileLines(logFile)),
    ];
    for (const { where, trouble } of sources) {
      if (trouble !== undefined) terminal.say(`vfio-hook: cannot read ${where}: ${escapeControl(trouble)}`);
    }
    const lines = sources
      .flatMap((source) => source.lines)
      .filter((line) => guest === undefined || isAbout(line, guest))
      .sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
      .slice(-most);
    const places = sources.map(({ where }) => where).join(' and ') || logFile;
    terminal.say(
      `vfio-hook: ${count(lines.length)}${guest === undefined ? '' : ` about guest ${quoteName(guest)}`} in ${places}`,
    );
    if (call.options.has('json')) terminal.print(jsonText(lines.map(asJson)));
    else if (lines.length > 0) terminal.print(lines.map(asText).join('\n'));
    return sources.length > 0 && sources.every(({ trouble }) => trouble !== undefined) ? 1 : 0;
  },
};

/** A line that was cut has lost its fields, but may name the guest in its message. */
function isAbout({ guest, line }: HookLine, name: string): boolean {
  return guest === name || (line.endsWith('…') && line.includes(quoteName(name)));
}

const WIDTH = Math.max(...severities.map((name) => name.length));

function asText({ time, severity, line }: HookLine): string {
  return `${time} ${severity.padEnd(WIDTH)} ${escapeControl(line)}`;
}

/** The fields, in the order in which they are written. */
function asJson({ time, severity, message, guest, owner, device, step, result, ms }: HookLine): unknown {
  return { time, severity, message, guest, owner, device, step, result, ms };
}

function listOf<T>(value: T | undefined): T[] {
  return value === undefined ? [] : [value];
}

function count(lines: number): string {
  if (lines === 0) return 'no line';
  return lines === 1 ? 'one line' : `${lines} lines`;
}

function lineCount(text: string | true | undefined): number {
  if (typeof text !== 'string') return USUAL_LINES;
  const number = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= MOST_LINES) return number;
  throw new VfioHookError('VH_USAGE', `--lines is a number from 1 to ${MOST_LINES}, not ${quoteName(text)}`, {
    hints: [advice('see: vfio-hook log --help')],
  });
}
