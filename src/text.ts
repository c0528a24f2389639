/**
 * Replaces what could drive a terminal or forge a line: control characters (C0, DEL, C1), line and paragraph
 * separators, marks that turn the writing direction, and lone surrogates, all as `\u{…}`.
 */
export function escapeControl(text: string): string {
  return text.replace(
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu,
    (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** A name from outside in double quotes, safe to print: `"win11"`. Cut after 100 characters. */
export function quoteName(name: string): string {
  const shown = name.length <= 100 ? name : `${name.slice(0, 99)}…`;
  return `"${escapeControl(shown.replace(/["\\]/g, '\\$&'))}"`;
}
