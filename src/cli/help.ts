import type { Command, OptionSpec } from './command.ts';

/** The help of the whole command. */
export function overview(commands: readonly Command[]): string {
  return [
    'Usage: vfio-hook COMMAND [OPTION…]',
    '',
    'Hands host PCI devices to libvirt guests and puts back exactly what was there. libvirt runs it as',
    '/etc/libvirt/hooks/qemu; the commands show what it does, what it would do, and get things back.',
    '',
    'Commands:',
    ...columns(commands.map(({ name, about }) => [name, about])),
    '',
    'Options:',
    ...columns([
      ['-h, --help', 'this help; after a command, help on it'],
      ['-V, --version', 'print the version'],
    ]),
    '',
    'Exit status: 0 done or nothing to do, 1 failed, 2 wrong usage; a command may say otherwise.',
    'Errors come on stderr, each with a hint. Documentation: /usr/share/doc/vfio-hook',
  ].join('\n');
}

/** The options that a person is told of. */
export function shownOptions(command: Command): readonly OptionSpec[] {
  return command.options.filter(({ hidden }) => hidden !== true);
}

/** `plan [OPTION…] GUEST`. */
export function usageLine(command: Command): string {
  const operands = command.operands.map(({ name, optional, repeated, behindDashes }) => {
    const shown = `${behindDashes === true ? '-- ' : ''}${name}${repeated === true ? '…' : ''}`;
    return optional === true ? `[${shown}]` : shown;
  });
  const options = shownOptions(command).length > 0 ? ['[OPTION…]'] : [];
  return [command.name, ...options, ...operands].join(' ');
}

/** The help of one sub-command. */
export function commandHelp(command: Command): string {
  const shown = shownOptions(command);
  const statuses = Object.entries(command.statuses ?? {});
  return [
    `Usage: vfio-hook ${usageLine(command)}`,
    '',
    command.details,
    ...section(
      'Operands',
      command.operands.map(({ name, about }) => [name, about]),
    ),
    ...section(
      'Options',
      shown.map((option) => [spelling(option), option.about]),
    ),
    ...section(
      'Exit status',
      statuses.map(([status, about]) => [status, about]),
    ),
    '',
    command.examples.length > 1 ? 'Examples:' : 'Example:',
    ...command.examples.map((example) => `  ${example}`),
  ].join('\n');
}

function section(title: string, rows: readonly (readonly [string, string])[]): string[] {
  return rows.length === 0 ? [] : ['', `${title}:`, ...columns(rows)];
}

function spelling({ name, short, value, repeated }: OptionSpec): string {
  const shown = value === undefined ? '' : ` ${value}${repeated === true ? ' …' : ''}`;
  return `${short === undefined ? '' : `-${short}, `}--${name}${shown}`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
