import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { isNode, LineCounter, parseDocument, type Document } from 'yaml';
import { VfioHookError } from '../src/errors.ts';
import { isWord, shownKey, withoutQuotation } from '../src/text.ts';
import { expand } from './description-expand.ts';
import { descriptionSchema, type Description } from './description-schema.ts';
import { contradictions } from './description-check.ts';
import type { MachineSpec } from './spec.ts';

/** Longest description that is read, in bytes. */
const LONGEST = 1_000_000;

/**
 * Reads the description of a machine from a YAML file. Throws VH_CONFIG with file and line where it is no
 * YAML, does not fit the schema, or contradicts itself; and an errno error when the file cannot be read.
 */
export function readDescription(path: string): MachineSpec {
  return parseDescription(readFileSync(path, 'utf8'), path);
}

/** The same for a text; `path` is for messages. */
export function parseDescription(text: string, path: string): MachineSpec {
  if (text.length > LONGEST) throw invalid(path, undefined, 'is longer than a megabyte');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [syntax] = document.errors;
  if (syntax)
    throw invalid(
      path,
      lines.linePos(syntax.pos[0]).line,
      `no valid YAML: ${withoutQuotation(syntax.message)}`,
    );
  const result = v.safeParse(descriptionSchema, valueOf(document, path));
  if (!result.success) {
    const [issue] = result.issues;
    const keys = (issue.path ?? []).map((item) => item.key as string | number);
    const where = keys.length > 0 ? `${keys.map(shownPart).join('.')}: ` : '';
    throw invalid(path, lineOf(document, lines, keys), `${where}${sentenceOf(issue)}`);
  }
  refuseContradictions(result.output, path, (keys) => lineOf(document, lines, keys));
  return expand(result.output);
}

/** The document as plain data; an alias that nothing is anchored to, or that multiplies without end, is found only now. */
function valueOf(document: Document, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw invalid(path, undefined, withoutQuotation(error instanceof Error ? error.message : ''));
  }
}

function refuseContradictions(
  description: Description,
  path: string,
  line: (keys: readonly (string | number)[]) => number | undefined,
): void {
  const [first] = contradictions(description);
  if (first) throw invalid(path, line(first.keys), first.sentence);
}

/** The line of the innermost part of the document that exists on the way to these keys. */
function lineOf(
  document: Document,
  lines: LineCounter,
  keys: readonly (string | number)[],
): number | undefined {
  for (let depth = keys.length; depth >= 0; depth -= 1) {
    const node: unknown = document.getIn(keys.slice(0, depth), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return undefined;
}

function invalid(path: string, line: number | undefined, reason: string): VfioHookError {
  const where = line === undefined ? '' : `, line ${line}`;
  return new VfioHookError('VH_CONFIG', `cannot read machine ${JSON.stringify(path)}${where}: ${reason}`, {
    path,
  });
}

/** Numbers are indexes; see shownKey for what else is shown. */
function shownPart(part: string | number): string {
  return typeof part === 'number' || isWord(part) ? String(part) : shownKey(part);
}

/** Our own sentence; what valibot says by itself ends with what it received. */
function sentenceOf({ message, expected, received }: v.BaseIssue<unknown>): string {
  if (!message.startsWith('Invalid ')) return message;
  if (expected === 'never') return 'unknown key';
  return received === 'undefined' ? 'it is missing' : `expected ${expected ?? 'something else'}`;
}
