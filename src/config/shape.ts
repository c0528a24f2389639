import type { Problem, ValuePath } from './problem.ts';

/** Values that a document may have, counted where aliases lead to them again: an alias bomb ends here. */
const MOST_VALUES = 10_000;
const DEEPEST = 32;

/** Keys that are refused wherever they stand. */
const REFUSED_KEYS: Readonly<Record<string, string>> = {
  ['__proto__']: 'the key __proto__ is not allowed',
  // valibot leaves them out of mappings with keys of any name, without a word.
  constructor: 'the key constructor is not allowed',
  prototype: 'the key prototype is not allowed',
  $import: 'files cannot import others: write the settings here',
};

/** What a decoded document consists of. */
export interface ShapeReport {
  readonly problems: readonly Problem[];
  /** Keys of all mappings together. */
  readonly keys: number;
  /** Whether it is too big or too deep to look at any further. */
  readonly excessive: boolean;
}

/**
 * Walks a decoded document before anything else looks at it: bounds its size and depth, and refuses keys and
 * values that only look like data (`__proto__`, cosmiconfig's `$import`, dates and bytes that YAML makes of texts).
 */
export function checkShape(document: unknown): ShapeReport {
  const problems: Problem[] = [];
  let values = 0;
  let keys = 0;

  const walk = (value: unknown, path: ValuePath): Problem | undefined => {
    values += 1;
    if (values > MOST_VALUES) return { path: [], text: `more than ${MOST_VALUES} values` };
    if (path.length > DEEPEST) return { path: [], text: `nested more than ${DEEPEST} levels deep` };
    if (typeof value !== 'object' || value === null) return undefined;
    if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) {
      const what = value instanceof Date ? 'a date' : 'binary data';
      problems.push({ path, text: `the value is read as ${what}: put it in quotes` });
      return undefined;
    }
    const entries: Iterable<[string | number, unknown]> = Array.isArray(value)
      ? value.entries()
      : Object.entries(value);
    for (const [key, inner] of entries) {
      if (typeof key === 'string') {
        keys += 1;
        const text = Object.hasOwn(REFUSED_KEYS, key) ? REFUSED_KEYS[key] : undefined;
        if (text !== undefined) problems.push({ path: [...path, key], text, atKey: true });
      }
      const excess = walk(inner, [...path, key]);
      if (excess) return excess;
    }
    return undefined;
  };

  const excess = walk(document, []);
  return excess ? { problems: [excess], keys, excessive: true } : { problems, keys, excessive: false };
}
