import { quoteName } from '../../text.ts';

/** A name or a path as it is when nothing in it could mislead, in quotation marks otherwise. */
export function plainOrQuoted(text: string): string {
  return isPlain(text) ? text : quoteName(text);
}

/** Whether a text can stand in a sentence and in a command line without marks around it. */
export function isPlain(text: string): boolean {
  return text.length <= 100 && /^[\w/.][\w/.+@:=,-]*$/.test(text);
}

/**
 * `a`, `a and b`, `a, b and c`; after the third one only how many more of them there are. One more than three
 * is named, unless `most` is three.
 */
export function listed(words: readonly string[], more: string, most: 3 | 4 = 4): string {
  const shown =
    words.length <= most ? words : [...words.slice(0, 3), `${words.length - 3} more ${more}`.trimEnd()];
  if (shown.length < 2) return shown.join('');
  return `${shown.slice(0, -1).join(', ')} and ${shown.at(-1) ?? ''}`;
}
