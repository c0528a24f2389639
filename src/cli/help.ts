import { LIBVIRT } from '../distribution.ts';
import type { Command, OptionSpec } from './command.ts';
import { hanging, wrap, wrapCommand } from './render/fit.ts';

/** Columns that help takes where there are more. */
const WIDEST = 100;
/** Fewest columns for what is said of an option; with fewer it goes below. */
const LEAST_ABOUT = 30;

function widthOf(columns: number | undefined): number {
  return Math.min(columns ?? WIDEST, WIDEST);
}

/** The help of the whole command. */
export function overview(commands: readonly Command[], columns: number | undefined): string {
  const width = widthOf(columns);
  return [
    'Usage: vfio-hook COMMAND [OPTION...]',
    '',
    ...wrap(
      'Hands host PCI devices to libvirt guests and puts back exactly what was there. libvirt runs it as ' +
        `${LIBVIRT}/hooks/qemu; the commands show what it does, what it would do, and get things back.`,
      width,
    ),
    '',
    'Commands:',
    ...rows(
      commands.map(({ name, about }) => [name, about]),
      width,
    ),
    '',
    ...commands.flatMap(({ name, aliases = [] }) =>
      aliases.map((alias) => `${alias} is another word for ${name}.`),
    ),
    '',
    'Options:',
    ...rows(
      [
        ['-h, --help', 'this help; after a command, help on it'],
        ['-V, --version', 'print the version'],
      ],
      width,
    ),
    '',
    ...wrap(
      'Exit status: 0 done or nothing to do, 1 failed, 2 wrong usage; a command may say otherwise.',
      width,
    ),
    ...wrap('Errors come on stderr, each with a hint. Documentation: /usr/share/doc/vfio-hook', width),
  ].join('\n');
}

/** Says what else a sub-command may be called. */
export function aliasSentences({ aliases = [] }: Command): string[] {
  return aliases.map((alias) => `vfio-hook ${alias} is another word for it, as vfio-manage has it.`);
}

/** The options that a person is told of. */
export function shownOptions(command: Command): readonly OptionSpec[] {
  return command.options.filter(({ hidden }) => hidden !== true);
}

/** `plan [OPTION...] GUEST`. */
export function usageLine(command: Command): string {
  const operands = command.operands.map(({ name, optional, repeated, behindDashes }) => {
    const shown = `${behindDashes === true ? '-- ' : ''}${name}${repeated === true ? '...' : ''}`;
    return optional === true ? `[${shown}]` : shown;
  });
  const options = shownOptions(command).length > 0 ? ['[OPTION...]'] : [];
  return [command.name, ...options, ...operands].join(' ');
}

/** The help of one sub-command. */
export function commandHelp(command: Command, columns: number | undefined): string {
  const width = widthOf(columns);
  const statuses = Object.entries(command.statuses ?? {});
  const section = (title: string, about: readonly Row[]): string[] =>
    about.length === 0 ? [] : ['', `${title}:`, ...rows(about, width)];
  return [
    ...hanging('Usage: ', `vfio-hook ${usageLine(command)}`, width),
    '',
    ...wrap(command.details.replaceAll('\n', ' '), width),
    ...aliasSentences(command).flatMap((sentence) => wrap(sentence, width)),
    ...section(
      'Operands',
      command.operands.map(({ name, about }) => [name, about]),
    ),
    ...section(
      'Options',
      shownOptions(command).map((option) => [spelling(option), option.about]),
    ),
    ...section('Exit status', statuses),
    '',
    command.examples.length > 1 ? 'Examples:' : 'Example:',
    ...command.examples.flatMap((example) => wrapCommand('  ', example, columns)),
  ].join('\n');
}

function spelling({ name, short, value, repeated }: OptionSpec): string {
  const shown = value === undefined ? '' : ` ${value}${repeated === true ? ' ...' : ''}`;
  return `${short === undefined ? '' : `-${short}, `}--${name}${shown}`;
}

type Row = readonly [term: string, about: string];

function rows(all: readonly Row[], width: number): string[] {
  const left = Math.max(...all.map(([term]) => term.length));
  const isNarrow = width - left - 4 < LEAST_ABOUT;
  return all.flatMap(([term, about]) =>
    isNarrow
      ? [`  ${term}`, ...hanging('      ', about, width)]
      : hanging(`  ${term.padEnd(left)}  `, about, width),
  );
}
