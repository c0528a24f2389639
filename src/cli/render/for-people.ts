import { hintText, type Hint } from '../../hint.ts';
import { errorHints, errorSentence } from '../../report.ts';
import { escapeControl, safeText } from '../../text.ts';
import { columnsOf, hanging, wrapCommand } from './fit.ts';
import { withLocalTimes } from './local-time.ts';
import { toAscii } from './locale.ts';

/** How text comes to a person. */
export interface Manner {
  readonly colour: boolean;
  /** Whether there is more than ASCII. */
  readonly unicode: boolean;
  /** Columns that there are; undefined: as many as it takes. */
  readonly columns: number | undefined;
}

/** Text as a person gets it: harmless, in signs that the terminal has, times as on the clock, lines that fit. */
export function forPeople(text: string, manner: Manner): string {
  const { columns } = manner;
  const lines = plain(text, manner).split('\n');
  return (columns === undefined ? lines : lines.flatMap((line) => fitted(line, columns))).join('\n');
}

/** An error with its hints; a command to type can be copied, on however many lines it is. */
export function errorText(error: unknown, manner: Manner): string {
  return [
    forPeople(`vfio-hook: error: ${escapeControl(errorSentence(error))}`, manner),
    ...errorHints(error).flatMap((hint) => hintForPeople('vfio-hook: hint: ', hint, manner)),
  ].join('\n');
}

/** A hint behind a head, as lines. */
export function hintForPeople(head: string, hint: Hint, manner: Manner): string[] {
  const text = plain(escapeControl(hintText(hint)), manner);
  return (hint.kind === 'command' ? wrapCommand : hanging)(head, text, manner.columns);
}

/** The same, with lines as long as they are. Nothing changes when it is done again. */
export function plain(text: string, { colour, unicode }: Manner): string {
  const safe = safeText(withLocalTimes(text), { colour });
  return unicode ? safe : toAscii(safe);
}

/** Further lines of a paragraph stand two columns to the right of where it begins. */
function fitted(line: string, columns: number): string[] {
  if (columnsOf(line) <= columns) return [line];
  const [, colours = '', lead = '', rest = ''] = PARTS.exec(line) ?? [];
  const [first = '', ...others] = hanging(`${lead}  `, colours + rest, columns);
  return [first.slice(FURTHER), ...others];
}

const FURTHER = 2;
// eslint-disable-next-line no-control-regex -- colours begin with the escape character
const PARTS = /^((?:\u001b\[\d+m)*)( *)(.*)$/s;
