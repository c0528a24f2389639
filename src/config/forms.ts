import * as v from 'valibot';

/*
 * How values of a configuration file are read and refused, for the one schema (schema.ts) and its areas. Each text has a
 * `regex` as well as a reader: the regular expression is what the JSON Schema can say, the reader is what decides.
 */

/** `[a-z]` of either case, since a JSON Schema pattern has no flags. */
export const HEX = '[0-9a-fA-F]';
const SLOT = '[01][0-9a-fA-F]';
/** A PCI address in each of its forms: what `parsePciAddress` takes. */
export const ADDRESS = `(?:${HEX}{4,8}:)?${HEX}{2}:${SLOT}\\.[0-7]|[pP][cC][iI]_${HEX}{4,8}_${HEX}{2}_${SLOT}_[0-7]`;

/** A value as a message shows it: its kind, never itself (see shownKey in src/text.ts). */
export function shownValue(value: unknown): string {
  if (typeof value === 'string') return 'a text';
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'number' ? 'a number' : 'true or false';
}

/** A text that has a meaning. */
export interface TextForm<Value> {
  /** Completes "… is …". */
  readonly what: string;
  /** What to write instead. */
  readonly write: string;
  readonly pattern: RegExp;
  readonly reader: (text: string) => Value | undefined;
  readonly description: string;
}

/** A text that `reader` understands; the result is what the reader made of it. */
export function read<Value>({ what, write, pattern, reader, description }: TextForm<Value>) {
  const message = (): string => `${what}: ${write}`;
  return v.pipe(
    v.string(message),
    v.regex(pattern, message),
    v.description(description),
    v.rawTransform<string, Value>(({ dataset, addIssue, NEVER }) => {
      const value = reader(dataset.value);
      if (value !== undefined) return value;
      // The regular expression has refused the text already, unless only the reader knows the bounds.
      if (pattern.test(dataset.value)) addIssue({ message: message() });
      return NEVER;
    }),
  );
}

/** A mapping of these keys and no others. */
export function closed<const Entries extends v.ObjectEntries>(entries: Entries) {
  return v.strictObject(entries, (issue) =>
    issue.received === 'undefined'
      ? `the key ${issue.expected} is missing`
      : expected('a mapping (lines of "key: value")')(issue),
  );
}

export function expected(what: string): (issue: { readonly input: unknown }) => string {
  return (issue) => `${shownValue(issue.input)} in place of ${what}`;
}

/** A whole number. */
export function wholeNumber({ least, most, description, or = '' }: WholeNumber) {
  const message = expected(`${or}a whole number from ${least} to ${most}`);
  return v.pipe(
    v.number(message),
    v.integer(message),
    v.minValue(least, message),
    v.maxValue(most, message),
    v.description(description),
  );
}

interface WholeNumber {
  readonly least: number;
  readonly most: number;
  readonly description: string;
  /** What may stand there as well, such as `auto or `. */
  readonly or?: string;
}
