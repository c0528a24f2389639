/**
 * A piece of a word of a shell script. `unknown` is what only the shell could tell: `$(…)`, `` `…` ``, `$((…))`.
 */
export type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: string; readonly quoted: boolean }
  | { readonly kind: 'unknown' };

/** A word, an operator that separates commands, or a redirection, whose target is the next word. */
export type Token =
  | { readonly kind: 'word'; readonly parts: readonly Part[]; readonly raw: string }
  | { readonly kind: 'operator'; readonly text: string }
  | { readonly kind: 'redirect'; readonly text: string };

/** A line of a script with those that belong to it: behind a backslash, within quotes, a here-document. */
export interface Line {
  /** From 1. */
  readonly number: number;
  /** As a person would quote it, in one line. */
  readonly text: string;
  readonly tokens: readonly Token[];
}

/** Lines that one quotation may take; more is no script that this reader understands. */
const LONGEST_QUOTATION = 100;

/**
 * Cuts the text of a shell script into lines of words, as sh(1) and bash(1) do as far as scripts of hooks go. Nothing is run and
 * nothing is expanded. What it does not understand becomes words all the same.
 */
export function linesOf(script: string): Line[] {
  const rows = script.replaceAll('\r\n', '\n').split('\n');
  const lines: Line[] = [];
  for (let at = 0; at < rows.length;) {
    const number = at + 1;
    let text = rows[at] ?? '';
    at += 1;
    for (let more = 0; more < LONGEST_QUOTATION && at < rows.length; more += 1) {
      if (/(?:^|[^\\])(?:\\\\)*\\$/.test(text)) text = `${text.slice(0, -1)} ${(rows[at] ?? '').trim()}`;
      else if (isOpen(text)) text = `${text}\n${rows[at] ?? ''}`;
      else break;
      at += 1;
    }
    const tokens = tokensOf(text);
    const here = tokens.findIndex((token) => token.kind === 'redirect' && /<<-?$/.test(token.text));
    const end = here === -1 ? undefined : tokens[here + 1];
    if (end?.kind === 'word') {
      const delimiter = end.raw.replace(/["'\\]/g, '');
      while (at < rows.length && (rows[at] ?? '').trim() !== delimiter) at += 1;
      at += 1;
    }
    if (tokens.length > 0) lines.push({ number, text: text.trim().replace(/\s+/g, ' '), tokens });
  }
  return lines;
}

/** Whether a quotation is not closed yet. */
function isOpen(text: string): boolean {
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] ?? '';
    if (quote === '' && char === '#' && /^$|\s/.test(text[at - 1] ?? '')) {
      const end = text.indexOf('\n', at);
      if (end === -1) return false;
      at = end;
    } else if (char === '\\' && quote !== "'") at += 1;
    else if (quote === '' && (char === '"' || char === "'")) quote = char;
    else if (char === quote) quote = '';
  }
  return quote !== '';
}

const OPERATOR = /^(?:;;&?|;&|&&|\|\||\|&|[;|&(){}\n])/;
const REDIRECT = /^(?:\d*|&)(?:>>|>\||>&|>|<<<|<<-|<<|<&|<)/;

/** The words and operators of a text of one or more lines; comments are left out. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const rest = text.slice(at);
    const blank = /^[ \t\r]+/.exec(rest)?.[0].length ?? 0;
    if (blank > 0) {
      at += blank;
      continue;
    }
    if (rest.startsWith('#')) {
      const end = rest.indexOf('\n');
      at = end === -1 ? text.length : at + end;
      continue;
    }
    const redirect = REDIRECT.exec(rest)?.[0];
    if (redirect !== undefined) {
      tokens.push({ kind: 'redirect', text: redirect });
      at += redirect.length;
      continue;
    }
    const operator = OPERATOR.exec(rest)?.[0];
    if (operator !== undefined && !(/^[{}]/.test(operator) && /^[{}]\S/.test(rest))) {
      tokens.push({ kind: 'operator', text: operator });
      at += operator.length;
      continue;
    }
    const word = wordAt(text, at);
    tokens.push({ kind: 'word', parts: word.parts, raw: text.slice(at, word.end) });
    at = word.end;
  }
  return tokens;
}

/** Reads a word from a place on; at least one character of it. */
function wordAt(text: string, start: number): { readonly parts: readonly Part[]; readonly end: number } {
  const parts: Part[] = [];
  let plain = '';
  let at = start;
  let quoted = false;
  const flush = (): void => {
    if (plain !== '') parts.push({ kind: 'text', text: plain });
    plain = '';
  };
  while (at < text.length) {
    const char = text[at] ?? '';
    if (!quoted && /[\s;|&()<>]/.test(char)) break;
    if (char === '\\') {
      plain += text[at + 1] ?? '';
      at += 2;
    } else if (char === "'" && !quoted) {
      const end = text.indexOf("'", at + 1);
      plain += text.slice(at + 1, end === -1 ? undefined : end);
      at = end === -1 ? text.length : end + 1;
    } else if (char === '"') {
      quoted = !quoted;
      // An empty word is a word.
      if (quoted && text[at + 1] === '"') parts.push({ kind: 'text', text: '' });
      at += 1;
    } else if (char === '$' || char === '`') {
      const { part, end } = expansionAt(text, at, quoted);
      if (part) {
        flush();
        parts.push(part);
      } else plain += char;
      at = end;
    } else {
      plain += char;
      at += 1;
    }
  }
  flush();
  return { parts, end: Math.max(at, start + 1) };
}

/** What a `$` or a backtick begins; without a part it is only that character. */
function expansionAt(
  text: string,
  at: number,
  quoted: boolean,
): { readonly part?: Part; readonly end: number } {
  const rest = text.slice(at);
  if (rest.startsWith('`')) {
    const end = text.indexOf('`', at + 1);
    return { part: { kind: 'unknown' }, end: end === -1 ? text.length : end + 1 };
  }
  if (rest.startsWith('$(')) return { part: { kind: 'unknown' }, end: closing(text, at + 1, '(', ')') };
  const braces = /^\$\{([A-Za-z_]\w*|[0-9@*#?])\}/.exec(rest);
  const bare = /^\$([A-Za-z_]\w*|[0-9@*#?$!])/.exec(rest);
  const name = braces?.[1] ?? bare?.[1];
  if (name !== undefined) {
    const length = (braces ?? bare)?.[0].length ?? 1;
    return { part: { kind: 'variable', name, quoted }, end: at + length };
  }
  if (rest.startsWith('${')) return { part: { kind: 'unknown' }, end: closing(text, at + 1, '{', '}') };
  return { end: at + 1 };
}

/** The place behind the bracket that closes the one at a place. */
function closing(text: string, open: number, left: string, right: string): number {
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    if (text[at] === left) depth += 1;
    if (text[at] === right) depth -= 1;
    if (depth === 0) return at + 1;
  }
  return text.length;
}
