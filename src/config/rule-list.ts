import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Node } from 'yaml';

/** Where a file has its list `devices`, for whoever wants to add a rule. Lines and columns are counted from 1. */
export type RuleList =
  /** Each rule on lines of its own. */
  | {
      readonly kind: 'lines';
      /** The lines of each rule, comments behind it included. */
      readonly rules: readonly Span[];
      /** What stands before the dash of a rule. */
      readonly indent: string;
    }
  /** In brackets, or the whole file is in braces and has no such list: `at` is the closing one. */
  | { readonly kind: 'brackets' | 'braces'; readonly at: Position; readonly isEmpty: boolean }
  /** No such key in a file of lines. */
  | { readonly kind: 'none' }
  /** Nothing that a line could be added to, such as an alias. */
  | { readonly kind: 'other' };

/** The first and the last line of something. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** A place before a character. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Finds the list in a text that `examineConfigFile` has found to fit: see `SourceMap` for why no other. */
export function findRuleList(text: string): RuleList {
  const counter = new LineCounter();
  const { contents: root } = parseDocument(text, { lineCounter: counter, logLevel: 'silent' });
  const position = (offset: number): Position => {
    const { line, col } = counter.linePos(offset);
    return { line, column: col };
  };
  if (root === null || (isScalar(root) && root.value === null)) return { kind: 'none' };
  if (!isMap(root)) return { kind: 'other' };
  const pair = root.items.find(({ key }) => isScalar(key) && key.value === 'devices');
  if (!pair) {
    if (root.flow !== true) return { kind: 'none' };
    return { kind: 'braces', at: position(endOf(root) - 1), isEmpty: root.items.length === 0 };
  }
  const { value } = pair;
  if (!isSeq(value)) return { kind: 'other' };
  if (value.flow === true) {
    return { kind: 'brackets', at: position(endOf(value) - 1), isEmpty: value.items.length === 0 };
  }
  const starts = value.items.map((item) => position(startOf(item)).line);
  const lines = text.split('\n');
  const indent = /^ */.exec(lines[(starts[0] ?? 1) - 1] ?? '')?.[0] ?? '';
  const last = position(Math.max(0, endOf(value.items.at(-1)) - 1)).line;
  const ends = [...starts.slice(1).map((start) => start - 1), withComments(lines, last, indent)];
  return {
    kind: 'lines',
    rules: starts.map((first, index) => ({ first, last: ends[index] ?? first })),
    indent,
  };
}

/** The last line of a rule with the comments below it that are further to the right than its dash. */
function withComments(lines: readonly string[], last: number, indent: string): number {
  let end = last;
  for (let line = last + 1; line <= lines.length; line += 1) {
    const text = lines[line - 1] ?? '';
    if (text.trim() === '') continue;
    if (!text.startsWith(`${indent} `) || !text.trimStart().startsWith('#')) break;
    end = line;
  }
  return end;
}

function startOf(node: unknown): number {
  return (node as Node).range?.[0] ?? 0;
}

function endOf(node: unknown): number {
  return (node as Node).range?.[1] ?? 0;
}
