const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const NONE = /\p{Mn}|\p{Me}|\u200b|\u200d|[\ufe00-\ufe0f]/u;

/** Columns that a text takes on a terminal: two for East Asian wide letters and pictures, none for marks on letters. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const point of text) columns += columnsOfPoint(point);
  return columns;
}

function columnsOfPoint(point: string): number {
  if (NONE.test(point)) return 0;
  return WIDE.test(point) ? 2 : 1;
}

/** Shortens a text to a number of columns, with `…` for what is cut. */
export function shorten(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  let kept = '';
  let used = 1;
  for (const point of text) {
    used += columnsOfPoint(point);
    if (used > columns) break;
    kept += point;
  }
  return `${kept.trimEnd()}…`;
}

/**
 * Breaks a text at blanks so that each line fits; a word that is too long stays whole, since an address or a
 * command that is broken cannot be copied. Undefined columns: one line.
 */
export function wrap(text: string, columns: number | undefined): string[] {
  if (columns === undefined) return [text];
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (line !== '' && columnsOf(longer) > columns) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
