/** Small pieces of roff with the man(7) macros, from which scripts/man.ts makes pages. */

/**
 * Text as it stands in a page: nothing in it is a request or an escape, and nothing but ASCII (groff_char(7)). A
 * minus is one that can be copied.
 */
export function roffText(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll("'", '\\(aq');
  const ascii = escaped.replace(/[^\0-\x7f]/gu, (char) => {
    const code = (char.codePointAt(0) ?? 0).toString(16).toUpperCase();
    return `\\[u${code.padStart(4, '0')}]`;
  });
  return ascii.replace(/^\./gm, '\\&.');
}

export function bold(text: string): string {
  return `\\fB${roffText(text)}\\fR`;
}

export function italic(text: string): string {
  return `\\fI${roffText(text)}\\fR`;
}

/** One argument of a macro. */
function argument(text: string): string {
  return `"${text.replaceAll('"', '\\(dq')}"`;
}

export function heading(title: string): string {
  return `.SH ${argument(roffText(title))}`;
}

export function subheading(title: string): string {
  return `.SS ${argument(roffText(title))}`;
}

/** Paragraphs, which an empty line divides. */
export function paragraphs(text: string): string {
  return text
    .split(/\n\n+/)
    .map((each) => `.PP\n${roffText(each.replaceAll('\n', ' '))}`)
    .join('\n');
}

/** Terms, already in roff, each with what is said of it. */
export function terms(rows: readonly (readonly [term: string, about: string])[]): string {
  return rows.map(([term, about]) => `.TP\n${term}\n${roffText(about.replaceAll('\n', ' '))}`).join('\n');
}

/** Lines that stay as they are. */
export function verbatim(lines: readonly string[]): string {
  return ['.PP', '.in +4n', '.nf', ...lines.map(roffText), '.fi', '.in'].join('\n');
}
