const LONGEST = 80;

/**
 * A text from outside in a form that is safe in a message: in double quotes, with control and formatting
 * characters (ESC, line breaks, right-to-left marks, lone surrogates) as `\u{…}`, cut after 80 characters.
 */
export function quoted(text: string): string {
  const characters = Array.from(text);
  const shown = characters.length > LONGEST ? [...characters.slice(0, LONGEST), '…'] : characters;
  return `"${shown.map(escaped).join('')}"`;
}

/** A path as it is when every character of it is harmless in a shell and a terminal, {@link quoted} otherwise. */
export function shownPath(path: string): string {
  return /^[\w./%+@:=,~-]+$/.test(path) ? path : `"${Array.from(path, escaped).join('')}"`;
}

/**
 * A path as a word for a POSIX shell, for commands in hints. Undefined when it holds a control or formatting
 * character: such a name cannot be shown in a way that is safe to copy.
 */
export function shellWord(path: string): string | undefined {
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(path)) return undefined;
  return /^[\w./%+@:=,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

function escaped(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  if (!/[\p{C}\p{Zl}\p{Zp}]/u.test(character)) return character;
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
