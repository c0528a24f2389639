import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';

/** Columns that a text takes on a terminal: two for East Asian wide letters and pictures, none for colours and marks on letters. */
export function columnsOf(text: string): number {
  return stringWidth(text);
}

/** Shortens a text without colours to a number of columns, with `…` for what is cut. */
export function shorten(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  let kept = '';
  for (const point of text) {
    if (columnsOf(kept + point) >= columns) break;
    kept += point;
  }
  return `${kept.trimEnd()}…`;
}

/**
 * Breaks a text at blanks so that each line fits; a word that is too long stays whole, since an address or a
 * path that is broken cannot be copied. Undefined columns: one line. Colours begin anew on each line.
 */
export function wrap(text: string, columns: number | undefined): string[] {
  return columns === undefined ? [text] : wrapAnsi(text, columns).split('\n');
}

/** A paragraph behind a head: the other lines begin below its first word. */
export function hanging(head: string, text: string, columns: number | undefined): string[] {
  const indent = ' '.repeat(columnsOf(head));
  const room = columns === undefined ? undefined : columns - indent.length;
  return wrap(text, room).map((line, index) => `${index === 0 ? head : indent}${line}`);
}

/**
 * A shell command behind a head, broken where the shell allows it: at a blank outside quotes, with a backslash, so
 * that all lines together can still be pasted. Undefined columns: one line.
 */
export function wrapCommand(head: string, command: string, columns: number | undefined): string[] {
  if (columns === undefined) return [head + command];
  const lines: string[] = [];
  let line = head;
  let isEmpty = true;
  for (const word of shellWords(command)) {
    // Room for the backslash.
    if (!isEmpty && columnsOf(`${line} ${word}`) > columns - 2) {
      lines.push(`${line} \\`);
      line = `${' '.repeat(columnsOf(head) + 2)}${word}`;
    } else line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}

/** What stands between blanks that are neither quoted nor escaped. */
function shellWords(command: string): readonly string[] {
  return command.match(/(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|[^\s'"\\]|['"\\])+/gs) ?? [command];
}
