import type { GenericSchema } from 'valibot';
import { nearestWord } from './nearest.ts';
import type { Problem, ValuePath } from './problem.ts';
import { shownKey } from '../text.ts';

/** The parts of a valibot schema that matter here; which of them are there depends on `type`. */
interface SchemaParts {
  readonly type: string;
  readonly pipe?: readonly SchemaParts[];
  readonly wrapped?: SchemaParts;
  readonly item?: SchemaParts;
  readonly entries?: Readonly<Record<string, SchemaParts>>;
}

/**
 * Every key of a document that its schema does not know, each with the nearest known one.
 * valibot's own strictObject stops at the first such key of each mapping, takes `toString` for a known one, and
 * takes a list for a mapping; lists in the place of mappings are reported here too.
 */
export function unknownKeys(schema: GenericSchema, document: unknown): Problem[] {
  const problems: Problem[] = [];
  const walk = (parts: SchemaParts | undefined, value: unknown, path: ValuePath): void => {
    if (!parts || typeof value !== 'object' || value === null) return;
    const inner = parts.pipe?.[0] ?? parts.wrapped;
    if (inner && inner !== parts) {
      walk(inner, value, path);
    } else if (parts.entries && Array.isArray(value)) {
      problems.push({ path, text: 'a list in place of a mapping (lines of "key: value")' });
    } else if (parts.entries) {
      const known = Object.keys(parts.entries);
      for (const [key, member] of Object.entries(value)) {
        if (Object.hasOwn(parts.entries, key)) walk(parts.entries[key], member, [...path, key]);
        else problems.push({ path: [...path, key], text: unknownKey(key, known), atKey: true });
      }
    } else if (parts.item && Array.isArray(value)) {
      for (const [index, member] of value.entries()) walk(parts.item, member, [...path, index]);
    }
  };
  walk(schema, document, []);
  return problems;
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearestWord(key, known);
  const help =
    near === undefined
      ? `known are ${known.filter((word) => word !== '$schema').join(', ')}`
      : `did you mean ${near}?`;
  return `unknown key ${shownKey(key)}: ${help}`;
}
