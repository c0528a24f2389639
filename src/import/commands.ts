import type { Phase } from './moment.ts';
import type { Token } from './tokens.ts';
import { expand, type Variables } from './variables.ts';

/** One simple command of a script, as far as it can be told without running it. */
export interface Command {
  /** The program's name, without its directory. */
  readonly name: string;
  /** What cannot be told is undefined. */
  readonly args: readonly (string | undefined)[];
  /** What it writes into a file: `echo 1 > FILE`, `echo 1 | tee FILE`; a value that cannot be told is left out. */
  readonly write?: { readonly path: string | undefined; readonly value?: string };
  /** Whether the guest begins or ends there. */
  readonly phase: Phase;
}

/** Programs that run another one. */
const FRONT = new Set([
  'sudo',
  'nohup',
  'exec',
  'command',
  'time',
  'nice',
  'ionice',
  'env',
  'doas',
  'builtin',
  'setsid',
]);

/**
 * What the words of a pipeline, cut at its `|`, do. Only the last of them writes; `echo 1 | tee FILE` is one command.
 */
export function commandsOf(
  pipeline: readonly (readonly Token[])[],
  variables: Variables,
  phase: Phase,
): Command[] {
  const commands = pipeline.map((tokens) => simple(tokens, variables, phase));
  return commands.flatMap((command, index) => {
    if (!command) return [];
    const before = commands[index - 1];
    if (command.name === 'tee' && before && SAYS.has(before.name)) {
      const path = command.args.find((arg) => arg?.startsWith('-') !== true);
      return [{ ...before, write: { path, ...valueOf(before) } }];
    }
    const next = commands[index + 1];
    return next?.name === 'tee' && SAYS.has(command.name) ? [] : [command];
  });
}

const SAYS = new Set(['echo', 'printf']);

function simple(tokens: readonly Token[], variables: Variables, phase: Phase): Command | undefined {
  const words: (string | undefined)[] = [];
  let to: { readonly path: string | undefined } | undefined;
  let here: string | undefined;
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token?.kind === 'redirect') {
      const target = tokens[at + 1];
      at += 1;
      const text = target?.kind === 'word' ? expand(target.parts, variables)?.join(' ') : undefined;
      if (/^1?>[>|]?$/.test(token.text)) to = { path: text };
      if (token.text === '<<<') here = text;
    } else if (token?.kind === 'word') {
      const expanded = expand(token.parts, variables);
      words.push(...(expanded ?? [undefined]));
    }
  }
  const [first, ...args] = withoutFront(words);
  if (first === undefined) return words.length === 0 ? undefined : { name: '', args: words, phase };
  const name = first.slice(first.lastIndexOf('/') + 1);
  const command = { name, args, phase };
  if (name === 'tee' && here !== undefined) return { ...command, write: { path: args[0], value: here } };
  if (!to || to.path === '/dev/null') return command;
  return { ...command, write: { path: to.path, ...(SAYS.has(name) && valueOf(command)) } };
}

function valueOf({ name, args }: Pick<Command, 'name' | 'args'>): { readonly value?: string } {
  const said = args.filter((arg) => arg === undefined || !/^-[neE]+$/.test(arg));
  if (said.includes(undefined)) return {};
  const words = name === 'printf' && said.length > 1 ? said.slice(1) : said;
  return { value: words.join(' ').replaceAll('\\n', '').trim() };
}

function withoutFront(words: readonly (string | undefined)[]): readonly (string | undefined)[] {
  let rest = words;
  for (;;) {
    const [first] = rest;
    const name = first?.slice(first.lastIndexOf('/') + 1) ?? '';
    if (FRONT.has(name)) {
      rest = rest.slice(1);
      while (rest[0]?.startsWith('-') === true || (name === 'env' && rest[0]?.includes('=') === true))
        rest = rest.slice(1);
    } else if (name === 'timeout') {
      // Its options, then how long.
      const time = rest.findIndex((word) => /^[\d.]+[smhd]?$/.test(word ?? ''));
      if (time === -1) return rest;
      rest = rest.slice(time + 1);
    } else return rest;
  }
}
