/**
 * Shortens a text to a number of columns, with `…` for what is cut; counts code points, which is right for the
 * Latin letters of pci.ids. Undefined columns: as it is.
 */
export function shorten(text: string, columns: number | undefined): string {
  const points = [...text];
  if (columns === undefined || points.length <= columns) return text;
  return `${points
    .slice(0, Math.max(0, columns - 1))
    .join('')
    .trimEnd()}…`;
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
    if (line !== '' && [...longer].length > columns) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
