import { Document, isMap, isNode, isScalar, isSeq, parseDocument, type YAMLMap } from 'yaml';
import { formatDeviceMatch, parseDeviceMatch } from './match.ts';

/** One change of a guest's configuration file. */
export interface ConfigEdit {
  /** The device whose rule is changed, as `match` says it; absent: the key is one of the guest itself. */
  readonly device?: string;
  /** Keys from the rule, or from the top, down to the value: `['bars', '2']`. */
  readonly path: readonly [string, ...string[]];
  /** What is written: texts, numbers, lists and maps of them. Undefined: the key goes. */
  readonly value: unknown;
}

/**
 * The text of a configuration file with these changes, and all else as it is: comments, order, how values are written.
 *
 * - Of several rules for one device the last is changed, since it is the one that holds. A device without a rule of its own gets
 *   one at the end of the list, behind those for its model or class, so that it holds.
 * - What becomes empty goes: a map, a rule that has only its `match`, the list.
 *
 * The text has to be YAML that `examineConfigFile` has found to fit; whether the result does is for it to say.
 */
export function editConfig(text: string, edits: readonly ConfigEdit[]): string {
  const document = parseDocument(text, { logLevel: 'silent' });
  // A file of comments alone, as `vfio-hook init` writes it: what is new comes behind them.
  const isEmpty =
    document.contents === null || (isScalar(document.contents) && document.contents.value === null);
  const edited = isEmpty ? new Document({}) : document;
  const before = printed(edited);
  for (const edit of edits) apply(edited, edit);
  if (printed(edited) === before) return text;
  const root = edited.contents;
  const nothingLeft = isMap(root) && root.items.length === 0;
  if (isEmpty)
    return nothingLeft ? text : `${text.trimEnd()}${text.trim() === '' ? '' : '\n\n'}${printed(edited)}`;
  if (!nothingLeft) return printed(edited);
  const comments = [document.commentBefore, isNode(root) ? root.commentBefore : undefined, document.comment];
  return comments
    .flatMap((comment) => (comment == null ? [] : comment.split('\n').map((line) => `#${line}\n`)))
    .join('');
}

/** So wide that nothing which is in one line is broken: the package folds longer texts, and lists in brackets. */
const LINE_WIDTH = 100_000;

function printed(document: Document): string {
  return document.toString({ lineWidth: LINE_WIDTH });
}

function apply(document: Document, { device, path, value }: ConfigEdit): void {
  if (device === undefined) {
    if (value === undefined) removeAt(document, path);
    else document.setIn(path, document.createNode(value));
    return;
  }
  const rule = ruleOf(document, device);
  if (value === undefined) {
    if (rule) removeAt(document, ['devices', rule.index, ...path], ['devices', rule.index]);
    return;
  }
  const node = rule?.node ?? newRule(document, device);
  setBelow(document, node, path, value);
}

/** The last rule for a device, and its place in the list. */
function ruleOf(document: Document, device: string): { node: YAMLMap; index: number } | undefined {
  const list = document.get('devices');
  if (!isSeq(list)) return undefined;
  for (let index = list.items.length - 1; index >= 0; index -= 1) {
    const node = list.items[index];
    const match = isMap(node) ? node.get('match') : undefined;
    if (isMap(node) && typeof match === 'string' && sameDevice(match, device)) return { node, index };
  }
  return undefined;
}

/** `03:00.0` and `0000:03:00.0` are one. */
function sameDevice(written: string, device: string): boolean {
  const match = parseDeviceMatch(written);
  return match !== undefined && formatDeviceMatch(match) === device;
}

function newRule(document: Document, device: string): YAMLMap {
  const match = document.createNode(device);
  // An address is a text of digits and colons, which a reader may take for a time of day.
  match.type = 'QUOTE_DOUBLE';
  const rule = document.createNode({}) as YAMLMap;
  rule.add(document.createPair('match', match));
  const list = document.get('devices');
  if (isSeq(list)) list.add(rule);
  else document.set('devices', document.createNode([rule]));
  return rule;
}

/** In a map whose keys may be numbers, as those of `bars` are. */
function setBelow(document: Document, map: YAMLMap, [key, ...rest]: readonly string[], value: unknown): void {
  if (key === undefined) return;
  const present = map.items.find((pair) => keyOf(pair.key) === key);
  if (rest.length > 0) {
    const below = isMap(present?.value) ? present.value : (document.createNode({}) as YAMLMap);
    setBelow(document, below, rest, value);
    if (present) present.value = below;
    else map.add(document.createPair(key, below));
    return;
  }
  const node = document.createNode(value);
  if (isScalar(present?.value) && isScalar(node)) {
    present.value.value = node.value;
    return;
  }
  if (present) present.value = node;
  // As nodes: a plain 0 is taken for no key at all, and written with a question mark.
  else map.add(document.createPair(/^\d+$/.test(key) ? Number(key) : key, node));
}

function keyOf(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

/** Takes a value out, and then what is empty above it; a rule (`rule`) is empty when it has only its match. */
function removeAt(
  document: Document,
  path: readonly (string | number)[],
  rule: readonly (string | number)[] = [],
): void {
  const key = path.at(-1);
  const above = path.slice(0, -1);
  const map = above.length === 0 ? document.contents : document.getIn(above);
  if (isSeq(map) && typeof key === 'number') map.delete(key);
  else if (isMap(map)) map.items = map.items.filter((pair) => keyOf(pair.key) !== String(key));
  else return;
  if (above.length === 0) return;
  const [first, ...others] = isMap(map) ? map.items : [];
  const onlyMatch = above.length === rule.length && others.length === 0 && keyOf(first?.key) === 'match';
  if (map.items.length === 0 || onlyMatch) removeAt(document, above, rule);
}
