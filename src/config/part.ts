/*
 * What the part config.cjs has: everything that needs a reader of YAML or the schema, so that a run without a
 * configuration file loads neither.
 */
export { decodeConfigFile, examineConfigFile, lineIn } from './decode.ts';
export { placeRules } from './place-rules.ts';
