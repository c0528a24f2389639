import { advice } from '../hint.ts';
import { nearestWord } from '../config/nearest.ts';
import type { Parts } from '../parts.ts';
import { VfioHookError } from '../errors.ts';
import { quoteName } from '../text.ts';
import { readCall } from './arguments.ts';
import type { Command } from './command.ts';
import { commands } from './commands/index.ts';
import { commandHelp, overview } from './help.ts';
import { isDenial, isRoot, needsRoot } from './root.ts';
import { openTerminal } from './terminal.ts';

declare const __VERSION__: string;

/**
 * The `vfio-hook` command: finds the sub-command, reads its arguments, runs it. Returns the exit status:
 * 0 done, 1 failed, 2 wrong usage, unless the sub-command says otherwise. Data goes to stdout, talk to stderr.
 */
export async function main(args: readonly string[], parts: Parts): Promise<number> {
  const terminal = openTerminal(parts);
  const [word, ...rest] = args;
  try {
    if (word === undefined || word === '--help' || word === '-h' || word === 'help') {
      terminal.print(helpFor(rest[0], terminal.columns));
      return word === undefined ? 2 : 0;
    }
    if (word === '--version' || word === '-V') {
      terminal.print(`vfio-hook ${__VERSION__}`);
      return 0;
    }
    const command = find(word);
    // What follows `--` is somebody else's: vfio-hook run … -- qemu --help.
    const own = rest.includes('--') ? rest.slice(0, rest.indexOf('--')) : rest;
    if (own.includes('--help') || own.includes('-h')) {
      terminal.print(commandHelp(command, terminal.columns));
      return 0;
    }
    const call = readCall(command, rest);
    if (command.onlyRoot === true && !call.options.has('simulated-machine') && !isRoot())
      throw needsRoot(args);
    return await command.run(call, terminal);
  } catch (error) {
    const shown = !isRoot() && isDenial(error) ? needsRoot(args, error) : error;
    terminal.sayError(shown);
    return failureStatus(shown, word === undefined ? undefined : named(word));
  }
}

function helpFor(word: string | undefined, columns: number | undefined): string {
  if (word === undefined || word.startsWith('-')) return overview(commands, columns);
  return commandHelp(find(word), columns);
}

function named(word: string): Command | undefined {
  return commands.find(({ name, aliases }) => name === word || aliases?.includes(word));
}

function failureStatus(error: unknown, command: Command | undefined): number {
  const { failure = 1, usage = 2, refused = failure } = command?.ownStatuses ?? {};
  const code = error instanceof VfioHookError ? error.code : undefined;
  if (code === 'VH_USAGE') return usage;
  return code === 'VH_REFUSED' ? refused : failure;
}

function find(word: string): Command {
  const command = named(word);
  if (command) return command;
  const meant = nearestWord(
    word,
    commands.flatMap(({ name, aliases = [] }) => [name, ...aliases]),
  );
  throw new VfioHookError('VH_USAGE', `there is no sub-command ${quoteName(word)}`, {
    hints: [
      meant === undefined ? advice('see: vfio-hook --help') : advice(`did you mean: vfio-hook ${meant}`),
    ],
  });
}
