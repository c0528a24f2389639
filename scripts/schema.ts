import { toJsonSchema, type JsonSchema } from '@valibot/to-json-schema';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { classWords } from '../src/config/match.ts';
import { configSchema } from '../src/config/schema.ts';

/** Where the published JSON Schema lies in this repository. */
export const schemaFile = fileURLToPath(new URL('../schema/vfio-hook.schema.json', import.meta.url));

/** The only check of the schema, that a rule which allows something is no rule for a class of devices, in JSON Schema's words. */
const oneDevice: JsonSchema = {
  not: {
    type: 'object',
    properties: { match: { enum: Object.keys(classWords) } },
    required: ['match', 'allow'],
  },
};

/** The text of the JSON Schema (draft 7, which editors know best) for configuration files. */
export async function configJsonSchema(): Promise<string> {
  const schema = toJsonSchema(configSchema, {
    typeMode: 'input',
    target: 'draft-07',
    errorMode: 'throw',
    overrideAction: ({ valibotAction: { type }, jsonSchema }) => {
      if (type === 'check') return { ...jsonSchema, ...oneDevice };
      // That no card is in the list twice is nothing that JSON Schema could say.
      return type === 'check_items' ? jsonSchema : undefined;
    },
  });
  const { $schema, ...rest } = schema;
  const named = { $schema, title: 'vfio-hook configuration', ...rest };
  return format(JSON.stringify(named), { ...(await resolveConfig(schemaFile)), parser: 'json' });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(schemaFile, await configJsonSchema());
