/**
 * Characters that could drive a terminal, forge a line, turn the direction of writing or not be seen: Unicode's
 * "other" (control, format, surrogate, private use, unassigned) and the separators of lines and paragraphs. Every
 * text from outside is held against this one list, wherever it leaves the program.
 */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/u;
const EACH_UNSAFE = new RegExp(UNSAFE, 'gu');

/** Most texts are no more than this: making the sets of Unicode takes longer than a start's other texts together. */
const PLAIN = /^[ -~]*$/;

/** The colours that this program sets itself, as picocolors writes them; none of them moves or hides anything. */
// eslint-disable-next-line no-control-regex -- the escape character is what colours begin with
const COLOUR = /(\u001b\[(?:0|1|2|22|3\d|39)m)/;

/** Every unsafe character as `\u{…}`. What is safe stays as it is, and so does what was escaped before. */
export function escapeControl(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(EACH_UNSAFE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** One line as it is printed: escaped, except for our own colours. */
export function safeLine(line: string): string {
  return line
    .split(COLOUR)
    .map((part) => (COLOUR.test(part) ? part : escapeControl(part)))
    .join('');
}

/** Text of several lines as it is printed, with our own colours or without any. A name's line breaks are escaped before. */
export function safeText(text: string, { colour }: { readonly colour: boolean }): string {
  return text
    .split('\n')
    .map(colour ? safeLine : escapeControl)
    .join('\n');
}

/** JSON text with every unsafe character but the line breaks between its lines as `\uXXXX`: the same value. */
export function safeJson(json: string): string {
  return json.replace(EACH_UNSAFE, (char) => (char === '\n' ? char : units(char).map(jsonEscape).join('')));
}

function units(char: string): number[] {
  return Array.from({ length: char.length }, (_, index) => char.charCodeAt(index));
}

function jsonEscape(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`;
}

/** A text from outside in double quotes, safe to print. */
export function inQuotes(text: string): string {
  return `"${escapeControl(text.replace(/["\\]/g, '\\$&'))}"`;
}

const LONGEST = 100;

/** A name from outside in double quotes, safe to print: `"win11"`. Cut after 100 characters. */
export function quoteName(name: string): string {
  const characters = Array.from(name);
  const shown = characters.length <= LONGEST ? name : `${characters.slice(0, LONGEST - 1).join('')}…`;
  return inQuotes(shown);
}

/** A path as it is when every character of it is harmless in a shell and a terminal, in double quotes otherwise. */
export function shownPath(path: string): string {
  return /^[\w./%+@:=,~-]+$/.test(path) ? path : inQuotes(path);
}

/**
 * A path as a word for a POSIX shell, for commands in hints. Undefined when it holds an unsafe character: such a
 * name cannot be shown in a way that is safe to copy.
 */
export function shellWord(path: string): string | undefined {
  if (!PLAIN.test(path) && UNSAFE.test(path)) return undefined;
  return /^[\w./%+@:=,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

/**
 * A key of a file as a message may show it: in double quotes when it is a word, as the keys of configurations are.
 * Whoever may run a command as root can name any file for one, and the lines of /etc/shadow are keys to YAML: what is
 * no word is not shown, and neither is any value.
 */
export function shownKey(key: string): string {
  return isWord(key) ? `"${key}"` : '(no word)';
}

/** Whether a key is such a word: `kernelWrite`, `$schema`; one digit is one, too. */
export function isWord(key: string): boolean {
  return /^(?:\$?[A-Za-z_][\w-]{0,31}|\d)$/.test(key);
}

/**
 * What a library says about a text, without what it quotes from it: up to the first quotation mark, tag or colon. See
 * {@link shownKey}.
 */
export function withoutQuotation(sentence: string): string {
  const [said = ''] = sentence.replace(/[\p{C}\s]+/gu, ' ').split(/["'`<>!:]/, 1);
  return (
    said.replace(/ (?:token|received|but received|character|at position \d+).*$/, '').trim() ||
    'it cannot be read'
  );
}

/** Permissions as people write them: `0755`. */
export function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
