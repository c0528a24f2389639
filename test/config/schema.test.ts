import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { configJsonSchema, schemaFile } from '../../scripts/schema.ts';
import { decodeConfigFile } from '../../src/config/decode.ts';

/** The part of JSON Schema, draft 7, that the published schema uses. */
interface JsonSchema {
  readonly type?: string;
  readonly pattern?: string;
  readonly enum?: readonly unknown[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly propertyNames?: JsonSchema;
  readonly additionalProperties?: false | JsonSchema;
  readonly not?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
}

const understood = [
  '$schema',
  'title',
  'description',
  'type',
  'pattern',
  'enum',
  'items',
  'properties',
  'required',
  'propertyNames',
  'additionalProperties',
  'not',
  'anyOf',
  'const',
  'minimum',
  'maximum',
  'minItems',
  'minProperties',
  'maxProperties',
];

function accepts(schema: JsonSchema, value: unknown): boolean {
  assert.deepEqual(
    Object.keys(schema).filter((key) => !understood.includes(key)),
    [],
  );
  if (schema.not && accepts(schema.not, value)) return false;
  if (schema.enum && !schema.enum.includes(value)) return false;
  if (schema.anyOf) return schema.anyOf.some((each) => accepts(each, value));
  if (schema.const !== undefined) return value === schema.const;
  if (schema.type === 'boolean') return typeof value === 'boolean';
  if (schema.type === 'integer') {
    const { minimum = -Infinity, maximum = Infinity } = schema;
    return typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum;
  }
  if (schema.type === 'string' || (schema.enum && schema.type === undefined)) {
    return (
      typeof value === 'string' &&
      (schema.pattern === undefined || new RegExp(schema.pattern, 'u').test(value))
    );
  }
  if (schema.type === 'array') {
    if (!Array.isArray(value) || value.length < (schema.minItems ?? 0)) return false;
    return value.every((item) => accepts(schema.items!, item));
  }
  assert.equal(schema.type, 'object');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { minProperties = 0, maxProperties = Infinity } = schema;
  const keys = Object.keys(value).length;
  if (keys < minProperties || keys > maxProperties) return false;
  if (schema.required?.some((key) => !Object.hasOwn(value, key))) return false;
  return Object.entries(value).every(([key, inner]) => {
    const known = Object.hasOwn(schema.properties ?? {}, key) ? schema.properties?.[key] : undefined;
    if (known) return accepts(known, inner);
    if (schema.propertyNames && !accepts(schema.propertyNames, key)) return false;
    const { additionalProperties: others } = schema;
    return typeof others === 'object' ? accepts(others, inner) : others !== false;
  });
}

function decodes(value: unknown): boolean {
  try {
    // A schema does not know whose file one is: it is the file of those that may say all of it.
    const isOfGuest = typeof value === 'object' && value !== null && Object.hasOwn(value, 'display');
    decodeConfigFile(JSON.stringify(value), 'x.json', isOfGuest ? 'guest' : 'all');
    return true;
  } catch {
    return false;
  }
}

/** Every document that differs from `value` in one place: another type there, a key too many, a key too few. */
function* variants(value: unknown): Generator {
  yield* [
    5,
    0,
    -1,
    1.5,
    2 ** 40,
    true,
    null,
    'x',
    '',
    [],
    ['vga'],
    {},
    '8MiB',
    '30s',
    '1GiB',
    'auto',
    'vga',
    '0x10',
    { constructor: 1 },
  ];
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    for (const [index, item] of items.entries()) {
      for (const other of variants(item)) yield [...items.slice(0, index), other, ...items.slice(index + 1)];
    }
    return;
  }
  yield { ...value, other: 1 };
  yield { ...value, toString: 1 };
  for (const [key, inner] of Object.entries(value)) {
    yield Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
    for (const other of variants(inner)) yield { ...value, [key]: other };
  }
}

describe('the published JSON Schema', () => {
  const schema = JSON.parse(readFileSync(schemaFile, 'utf8')) as JsonSchema;
  const folder = new URL('../../examples/configs/', import.meta.url);

  it('is up to date (npx tsx scripts/schema.ts writes it)', async () => {
    assert.equal(readFileSync(schemaFile, 'utf8'), await configJsonSchema());
  });

  it('describes every key for editors', () => {
    const check = (part: JsonSchema & { description?: string }, place: string): void => {
      for (const [key, inner] of Object.entries(part.properties ?? {})) check(inner, `${place}.${key}`);
      if (part.items) check(part.items, `${place}[]`);
      for (const each of part.anyOf ?? []) check(each, `${place} or`);
      if (!part.properties && !part.items) assert.ok(part.description, `${place} has no description`);
    };
    check(schema, '');
  });

  for (const name of readdirSync(folder)) {
    it(`judges ${name}, and everything that is one change away from it, as the program does`, () => {
      const example = parse(readFileSync(new URL(name, folder), 'utf8')) as unknown;
      assert.equal(accepts(schema, example), true);
      assert.equal(decodes(example), true);
      let refused = 0;
      for (const variant of variants(example)) {
        // An empty file says nothing, which JSON Schema cannot say.
        if (variant === null) continue;
        const verdict = decodes(variant);
        assert.equal(accepts(schema, variant), verdict, JSON.stringify(variant));
        if (!verdict) refused += 1;
      }
      assert.ok(refused > 20);
    });
  }
});
