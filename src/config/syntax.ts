import { withoutQuotation } from '../text.ts';
import { SourceMap } from './locate.ts';

/** What came of reading a text: a document, or the first place where it is none. */
export type ReadDocument =
  | { readonly kind: 'read'; readonly document: unknown }
  | { readonly kind: 'broken'; readonly line?: number; readonly text: string };

/**
 * Reads a text with one of cosmiconfig's readers (js-yaml, parse-json) and turns what they throw into one line.
 * Both stop at the first error; js-yaml refuses more than 100 levels.
 */
export function readDocument(
  text: string,
  format: 'yaml' | 'json',
  reader: (path: string, text: string) => unknown,
): ReadDocument {
  if (format === 'json' && text.trim() === '') return { kind: 'read', document: undefined };
  try {
    return { kind: 'read', document: reader('', text) };
  } catch (error) {
    return { kind: 'broken', ...(format === 'yaml' ? yamlError(error) : jsonError(error, text)) };
  }
}

/** YAMLException of js-yaml: `reason` and, mostly, `mark` with `line` from 0, `position` and the whole text in `buffer`. */
function yamlError(error: unknown): { line?: number; text: string } {
  const { reason, mark } = error as {
    reason?: unknown;
    mark?: { line?: unknown; position?: unknown; buffer?: unknown };
  };
  if (reason === 'duplicated mapping key' && typeof mark?.buffer === 'string') {
    const found = repeatedKey(mark.buffer, Number(mark.position));
    if (found) return found;
  }
  const text = `no valid YAML: ${typeof reason === 'string' ? withoutQuotation(reason) : 'unreadable'}`;
  return typeof mark?.line === 'number' ? { line: mark.line + 1, text } : { text };
}

/**
 * The key at a position that its mapping has already. js-yaml has accepted everything in front of it, so that is as
 * deep as {@link SourceMap} can take.
 */
function repeatedKey(text: string, position: number): { line: number; text: string } | undefined {
  const key = /^(?:"[^"\n]*"|'[^'\n]*'|[^"'{}[\],\n]+?(?=\s*:(?:\s|$)))/.exec(text.slice(position))?.[0];
  if (key === undefined) return undefined;
  return new SourceMap(`${text.slice(0, position)}${key}: `).repeatedKeys().at(-1);
}

/** JSONError of parse-json: V8's sentence, with a quotation of the text that goes away here. */
function jsonError(error: unknown, text: string): { line: number; text: string } {
  const { message } = error as { message?: unknown };
  const sentence = (typeof message === 'string' ? message : '')
    .split('\n')
    .find((line) => line.trim() !== '' && !line.startsWith('JSON Error') && !/^>?\s*\d*\s*\|/.test(line));
  const reason = withoutQuotation(
    (sentence ?? 'unreadable').replace(/,? (?:in JSON at position|while parsing).*$/, ''),
  );
  const line = text.slice(0, firstBadOffset(text)).split('\n').length;
  return { line, text: `no valid JSON: ${lowerFirst(reason)}` };
}

/**
 * Where a text stops being the beginning of some JSON. V8 tells the offset of some errors only, so it is searched
 * for: what no text can complete, no longer text can complete either.
 */
function firstBadOffset(text: string): number {
  let good = 0;
  let bad = text.length;
  while (good < bad) {
    const middle = Math.floor((good + bad) / 2);
    if (canBeCompleted(text.slice(0, middle + 1))) good = middle + 1;
    else bad = middle;
  }
  return good;
}

function canBeCompleted(beginning: string): boolean {
  try {
    JSON.parse(beginning);
    return true;
  } catch (error) {
    const message = String(error);
    if (/end of JSON input|Unterminated/.test(message)) return true;
    // An error behind the last character is one of a text that is too short.
    return Number(/at position (\d+)/.exec(message)?.[1] ?? -1) >= beginning.length;
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
