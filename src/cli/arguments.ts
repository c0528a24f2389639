import { parseArgs, type ParseArgsConfig } from 'node:util';
import { nearestWord } from '../config/nearest.ts';
import { VfioHookError } from '../errors.ts';
import { advice } from '../hint.ts';
import { quoteName } from '../text.ts';
import type { Call, Command, OptionSpec } from './command.ts';

/** Options that every sub-command has. */
const GENERAL = ['help'] as const;

/** Reads what a sub-command was called with. Throws VH_USAGE, in words of our own, for what it does not know. */
export function readCall(command: Command, args: readonly string[]): Call {
  const { tokens } = parseArgs({
    args: [...args],
    options: optionsOf(command),
    allowPositionals: true,
    // What does not fit comes as a token: the errors of strict parsing have no part but a text for programmers.
    strict: false,
    tokens: true,
  });
  const operands: string[] = [];
  const options = new Map<string, string | true>();
  const lists = new Map<string, readonly string[]>();
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const option = command.options.find(({ name }) => name === token.name);
    if (!option) throw unknownOption(command, token.rawName);
    const value = readValue(command, option, token);
    if (option.repeated === true) lists.set(option.name, [...(lists.get(option.name) ?? []), String(value)]);
    else options.set(option.name, value);
  }
  const least = command.operands.filter(({ optional }) => optional !== true).length;
  const most = command.operands.some(({ repeated }) => repeated) ? Infinity : command.operands.length;
  if (operands.length < least || operands.length > most) {
    const wanted = command.operands.map(({ name }) => name).join(' ') || 'no operand';
    throw usage(`vfio-hook ${command.name} takes ${wanted}`, command);
  }
  return { operands, options, lists };
}

function optionsOf(command: Command): NonNullable<ParseArgsConfig['options']> {
  return Object.fromEntries(
    command.options.map(({ name, short, value }) => [
      name,
      {
        type: value === undefined ? ('boolean' as const) : ('string' as const),
        ...(short !== undefined && { short }),
      },
    ]),
  );
}

interface GivenOption {
  readonly rawName: string;
  readonly value: string | undefined;
  /** Whether it stood in one word with the option: `--host=FILE`. */
  readonly inlineValue: boolean | undefined;
}

function readValue(command: Command, { value }: OptionSpec, given: GivenOption): string | true {
  if (value === undefined) {
    if (given.value === undefined) return true;
    throw usage(`${given.rawName} takes no value`, command);
  }
  const isOption = given.inlineValue !== true && /^-./.test(given.value ?? '');
  if (given.value === undefined || isOption) {
    throw usage(`${given.rawName} needs a value: ${given.rawName} ${value}`, command);
  }
  return given.value;
}

function unknownOption(command: Command, given: string): VfioHookError {
  const known = [
    ...command.options.filter(({ hidden }) => hidden !== true).map(({ name }) => name),
    ...GENERAL,
  ];
  const meant = given.startsWith('--') ? nearestWord(given.slice(2), known) : undefined;
  const sentence = `vfio-hook ${command.name} has no option ${quoteName(given)}`;
  if (meant === undefined) return usage(sentence, command);
  return new VfioHookError('VH_USAGE', sentence, { hints: [advice(`did you mean --${meant}?`)] });
}

function usage(sentence: string, { name }: Command): VfioHookError {
  return new VfioHookError('VH_USAGE', sentence, { hints: [advice(`see: vfio-hook ${name} --help`)] });
}
