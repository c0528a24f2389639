import { advice } from '../hint.ts';
import { defaultLoaders } from 'cosmiconfig';
import * as v from 'valibot';
import { count } from '../count.ts';
import { VfioHookError } from '../errors.ts';
import type { ConfigScope, PartialConfig } from './config.ts';
import { SourceMap } from './locate.ts';
import { formatValuePath, type Problem, type ValuePath } from './problem.ts';
import { shownPath } from '../text.ts';
import { configSchema } from './schema.ts';
import { checkShape } from './shape.ts';
import { readDocument } from './syntax.ts';
import { unknownKeys } from './unknown-keys.ts';

/** Problems that one message lists; the rest are counted. */
const MOST_LISTED = 20;

/** A problem with its line, ready to be shown. */
export interface Finding {
  readonly line?: number;
  readonly text: string;
}

/** What came of a configuration file. */
export type Examined =
  | { readonly kind: 'fits'; readonly config: PartialConfig }
  /** Every problem, in the order of lines. */
  | { readonly kind: 'broken'; readonly findings: readonly Finding[] };

/** As {@link examineConfigFile}. Throws `VH_CONFIG` with the first problem and its line as the message and each further one as a hint. */
export function decodeConfigFile(text: string, path: string, scope: ConfigScope = 'guest'): PartialConfig {
  const examined = examineConfigFile(text, path, scope);
  if (examined.kind === 'fits') return examined.config;
  throw rejection(path, examined.findings);
}

/** The line of a value in a text that {@link examineConfigFile} has found to fit. */
export function lineIn(text: string, path: ValuePath): number {
  return new SourceMap(text).place({ path }).line;
}

/**
 * Turns the text of a configuration file into what it says, or into what is wrong with it.
 *
 * - The format follows the ending of `path`: `.json`, else YAML. An empty file says nothing.
 * - Nothing in the text is executed or loads another file: the text goes through cosmiconfig's plain readers, never
 *   through an explorer, which would run `.config/config.js` of the current directory.
 * - What endangers the host as a whole is not for the file of one guest.
 */
export function examineConfigFile(text: string, path: string, scope: ConfigScope = 'guest'): Examined {
  const format = path.endsWith('.json') ? 'json' : 'yaml';
  const read = readDocument(text, format, defaultLoaders[`.${format}`]);
  if (read.kind === 'broken') return broken([read]);
  const document = read.document ?? {};
  const shape = checkShape(document);
  if (shape.excessive) return broken(shape.problems);

  const map = lazily(() => new SourceMap(text));
  const findings: Finding[] = shape.problems.map((problem) => located(problem, map()));
  if (format === 'yaml' && text.includes('!')) {
    findings.push(
      ...map()
        .tags()
        .map(({ line }) => ({ line, text: 'tags (!…) are not allowed' })),
    );
  }
  if (format === 'json' && writtenKeys(text) !== shape.keys) findings.push(...map().repeatedKeys());
  if (findings.length > 0) return broken(findings);

  const result = v.safeParse(configSchema, document);
  const problems = [
    ...unknownKeys(configSchema, document),
    ...(scope === 'guest' ? outOfPlace(document) : ofOneGuest(document)),
  ];
  if (result.success && problems.length === 0) return { kind: 'fits', config: scoped(result.output, scope) };
  for (const issue of result.issues ?? []) {
    const problem = problemOf(issue, map());
    if (problem) problems.push(problem);
  }
  return broken(problems.map((problem) => located(problem, map())));
}

/** Keys of all guests, and why they are. */
const OF_ALL: Readonly<Record<string, string>> = {
  allowUnsafeInterrupts: 'it endangers the whole host',
};

/** Keys of one guest, and why they are. */
const OF_GUEST: Readonly<Record<string, string>> = {
  display: 'whoever starts it loses the screen of the host',
};

/** Functions of cards with whose file they are from: a guest's file is about functions of that guest. */
function scoped({ sriov, ...rest }: v.InferOutput<typeof configSchema>, scope: ConfigScope): PartialConfig {
  if (!sriov) return rest;
  return {
    ...rest,
    sriov: sriov.map(({ functions, ...card }) => ({
      ...card,
      ...(functions && { functions: functions.map((each) => ({ ...each, scope })) }),
    })),
  };
}

/** Of a card, what is the host's: a guest has its own functions only. */
const OF_HOST: Readonly<Record<string, string>> = {
  vfs: 'a card has one number of virtual functions for all guests',
  autoprobe: 'the functions that no guest has are the host’s',
  unsetMacs: 'it is about all functions of the card',
  profile: 'the card itself is the host’s',
};

/** Of modules, what is the host's. */
const MODULES_OF_HOST: Readonly<Record<string, string>> = {
  unload: 'VFIO’s modules are those of all guests',
};

/** Keys of all guests in the file of one. */
function outOfPlace(document: object): Problem[] {
  const { sriov: cards, modules } = document as { readonly sriov?: unknown; readonly modules?: unknown };
  return [
    ...among(document, OF_ALL, []),
    ...(typeof modules === 'object' && modules !== null ? among(modules, MODULES_OF_HOST, ['modules']) : []),
    ...(Array.isArray(cards) ? (cards as unknown[]) : []).flatMap((card, index) =>
      typeof card === 'object' && card !== null ? among(card, OF_HOST, ['sriov', index]) : [],
    ),
  ];
}

/** Keys of one guest in the file of all. */
function ofOneGuest(document: object): Problem[] {
  return Object.entries(OF_GUEST)
    .filter(([key]) => Object.hasOwn(document, key))
    .map(([key, why]) => {
      const text = `${key} is not for all guests: ${why}, so it belongs into the file of one, in domains/`;
      return { path: [key], text, atKey: true };
    });
}

function among(mapping: object, keys: Readonly<Record<string, string>>, path: ValuePath): Problem[] {
  return Object.entries(keys)
    .filter(([key]) => Object.hasOwn(mapping, key))
    .map(([key, why]) => {
      const text = `${key} is not for one guest: ${why}, so it belongs into config.yaml`;
      return { path: [...path, key], text, atKey: true };
    });
}

function broken(findings: readonly Finding[]): Examined {
  return { kind: 'broken', findings: [...findings].sort((a, b) => (a.line ?? 0) - (b.line ?? 0)) };
}

/** A valibot issue as a problem; undefined for an unknown key, which `unknownKeys` has reported. */
function problemOf(issue: v.BaseIssue<unknown>, map: SourceMap): Problem | undefined {
  const path: ValuePath = (issue.path ?? []).map((item) =>
    typeof item.key === 'number' ? item.key : String(item.key),
  );
  if (issue.type === 'strict_object') {
    if (issue.expected === 'never') return undefined;
    // The path of a missing key names what is not there.
    if (issue.received === 'undefined') return { path: path.slice(0, -1), text: issue.message };
  }
  const { source } = map.place({ path });
  if (typeof issue.input !== 'number' || source === undefined || source === String(issue.input)) {
    return { path, text: issue.message };
  }
  return { path, text: 'it is read as another number than it looks like: put it in quotes' };
}

function located(problem: Problem, map: SourceMap): Finding {
  const place = formatValuePath(problem.path);
  return {
    line: map.place(problem).line,
    text: place === '' || problem.atKey === true ? problem.text : `${place}: ${problem.text}`,
  };
}

/**
 * How many keys a valid JSON text has, repeated ones included: the strings that a colon follows.
 * More than its parsed value has means that some are there twice.
 */
function writtenKeys(text: string): number {
  return [...text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)].filter((match) => match[1] !== undefined).length;
}

function rejection(path: string, findings: readonly Finding[]): VfioHookError {
  const inOrder = findings.map(({ line, text }) => (line === undefined ? text : `line ${line}: ${text}`));
  const [first = 'unreadable', ...others] = inOrder;
  const listed = others.slice(0, MOST_LISTED - 1);
  const unlisted = others.length - listed.length;
  const number = others.length === 0 ? '' : ` (first of ${count(inOrder.length, 'problem')})`;
  return new VfioHookError('VH_CONFIG', `cannot use configuration ${shownPath(path)}: ${first}${number}`, {
    path,
    hints: [
      ...listed.map(advice),
      ...(unlisted > 0 ? [advice(`and ${count(unlisted, 'more problem')}`)] : []),
    ],
  });
}

function lazily<Value>(make: () => Value): () => Value {
  let value: Value | undefined;
  return () => (value ??= make());
}
