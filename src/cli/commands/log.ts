import { advice } from '../../hint.ts';
import { count } from '../../count.ts';
import { VfioHookError } from '../../errors.ts';
import { hasJournal } from '../../log/journal.ts';
import { severities } from '../../log/log.ts';
import { escapeControl, quoteName, safeJson } from '../../text.ts';
import { jsonOption, machineOption, type Command, type Terminal } from '../command.ts';
import { followFile, followJournal, type Followed } from '../log-follow.ts';
import {
  fileLine,
  fileLines,
  journalLine,
  journalLines,
  type HookLine,
  type LogSource,
} from '../log-sources.ts';
import { listenForSignals, type Signals } from '../signals.ts';

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
    {
      name: 'follow',
      short: 'f',
      about: 'go on with each line that comes, until ^C; with --json one object a line',
    },
    jsonOption,
    machineOption,
  ],
  examples: ['sudo vfio-hook log', 'sudo vfio-hook log win11 --lines 200', 'sudo vfio-hook log --follow'],
  run: async (call, terminal) => {
    const most = lineCount(call.options.get('lines'));
    const [guest] = call.operands;
    const { journal, logFile } = terminal.locations(call);
    const hasJournalHere = journal && hasJournal();
    const sources = [...(hasJournalHere ? [await journalLines()] : []), ...listOf(fileLines(logFile))];
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
      `vfio-hook: ${count(lines.length, 'line')}${guest === undefined ? '' : ` about guest ${quoteName(guest)}`} in ${places}`,
    );
    const isJson = call.options.has('json');
    const isFollowed = call.options.has('follow');
    if (isJson && !isFollowed) terminal.json(lines.map(asJson));
    else for (const line of lines) show(line, isJson, terminal);
    if (sources.length > 0 && sources.every(({ trouble }) => trouble !== undefined)) return 1;
    if (!isFollowed) return 0;
    return await follow({ sources, logFile, hasJournal: hasJournalHere }, terminal, (line) => {
      if (guest === undefined || isAbout(line, guest)) show(line, isJson, terminal);
    });
  },
};

/** Text, or JSON in one line for what may have no end. */
function show(line: HookLine, isJson: boolean, terminal: Terminal): void {
  if (isJson) terminal.data(safeJson(JSON.stringify(asJson(line))));
  else terminal.print(asText(line));
}

interface FollowedLog {
  readonly sources: readonly LogSource[];
  readonly logFile: string;
  readonly hasJournal: boolean;
}

/** Until ^C, or nobody reads any more. */
async function follow(
  { sources, logFile, hasJournal: isInJournal }: FollowedLog,
  terminal: Terminal,
  onLine: (line: HookLine) => void,
): Promise<number> {
  const followed: Followed[] = [];
  let signals: Signals | undefined;
  try {
    return await new Promise<number>((resolve, reject) => {
      signals = listenForSignals(() => {
        resolve(0);
      });
      const take = (line: HookLine): void => {
        onLine(line);
        if (terminal.gone()) resolve(0);
      };
      const each =
        (read: (text: string) => readonly HookLine[]) =>
        (text: string): void => {
          read(text).forEach(take);
        };
      if (isInJournal) {
        const cursor = sources.find((source) => source.cursor !== undefined)?.cursor;
        followed.push(
          followJournal(cursor, {
            onLine: each((text) => listOf(journalLine(text))),
            onEnd: () => {
              reject(new VfioHookError('VH_FILE', 'cannot follow the journal: journalctl has ended'));
            },
          }),
        );
      }
      const position = sources.find((source) => source.position)?.position;
      if (!isInJournal || position) {
        followed.push(followFile(logFile, position, { onLine: each(fileLine), onError: reject }));
      }
    });
  } finally {
    for (const each of followed) each.stop();
    signals?.stop();
  }
}

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

function lineCount(text: string | true | undefined): number {
  if (typeof text !== 'string') return USUAL_LINES;
  const number = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= MOST_LINES) return number;
  throw new VfioHookError('VH_USAGE', `--lines is a number from 1 to ${MOST_LINES}, not ${quoteName(text)}`, {
    hints: [advice('see: vfio-hook log --help')],
  });
}
