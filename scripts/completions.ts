import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { commands } from '../src/cli/commands/index.ts';
import type { Command, OptionSpec } from '../src/cli/command.ts';
import { shownOptions } from '../src/cli/help.ts';

/*
 * Completions for three shells, made from the table of sub-commands. What they offer at run time they find themselves,
 * without starting the program: names of guests, addresses of PCI devices, files.
 */

const repository = fileURLToPath(new URL('..', import.meta.url));

/** Every file of completions by its path below the repository. */
export function completions(): Readonly<Record<string, string>> {
  return {
    'completions/vfio-hook.bash': bash(),
    'completions/_vfio-hook': zsh(),
    'completions/vfio-hook.fish': fish(),
  };
}

/** What can stand for an operand or for the value of an option. */
type Kind = 'guest' | 'address' | 'file' | 'directory' | 'command' | 'nothing';

/** Placeholders of operands and values by what they stand for; any other word stands for free text. */
const kinds: Readonly<Record<string, Kind>> = {
  GUEST: 'guest',
  DOMAIN: 'guest',
  ADDRESS: 'address',
  FILE: 'file',
  DIRECTORY: 'directory',
  COMMAND: 'command',
};

function kindOf(placeholder: string | undefined): Kind {
  return kinds[placeholder?.split(/[,[|…]/)[0] ?? ''] ?? 'nothing';
}

/** The words of a value that is one of a few, such as `svg|html`. */
function choices({ value, words }: OptionSpec): readonly string[] {
  if (words) return words;
  return value !== undefined && /^[a-z0-9-]+(?:\|[a-z0-9-]+)+$/.test(value) ? value.split('|') : [];
}

function namesOf({ name, aliases = [] }: Command): readonly string[] {
  return [name, ...aliases];
}

function operandKind(command: Command): Kind {
  return kindOf(command.operands[0]?.name);
}

const made = 'Made by scripts/completions.ts from the table of sub-commands.';

// ---- bash ----

const bashWords: Readonly<Record<Kind, string>> = {
  guest: '_vfio_hook_guests; compgen -f -- "$current"',
  address: '_vfio_hook_addresses',
  file: 'compgen -f -- "$current"',
  directory: 'compgen -d -- "$current"',
  command: 'compgen -c -- "$current"',
  nothing: ':',
};

function bash(): string {
  const values = commands.flatMap((command) =>
    shownOptions(command)
      .filter(({ value }) => value !== undefined)
      .map(
        (option) =>
          `    ${namesOf(command)
            .map((each) => `${each}:--${option.name}`)
            .join('|')}) ${bashValue(option)} ;;`,
      ),
  );
  return `# bash completion for vfio-hook. ${made}

_vfio_hook_guests() {
  local file
  for file in /etc/libvirt/qemu/*.xml; do
    file=\${file##*/}
    [ "$file" = '*.xml' ] || printf '%s\\n' "\${file%.xml}"
  done
}

_vfio_hook_addresses() {
  local device
  for device in /sys/bus/pci/devices/*; do
    device=\${device##*/}
    [ "$device" = '*' ] || printf '%s\\n' "\${device#0000:}" "$device"
  done
}

_vfio_hook_value() {
  case $1 in
${values.join('\n')}
    *) return 1 ;;
  esac
}

_vfio_hook_words() {
  local command=$1
  case $command in
${commands
  .map(
    (command) =>
      `    ${namesOf(command).join('|')}) printf '%s\\n' ${shownOptions(command)
        .map(({ name }) => `--${name}`)
        .join(' ')} --help; ${bashWords[operandKind(command)]} ;;`,
  )
  .join('\n')}
    *) printf '%s\\n' ${commands.flatMap(namesOf).join(' ')} help --help --version ;;
  esac
}

_vfio_hook() {
  local current before command='' word words
  # A colon ends a word for readline, and addresses have colons: the line is cut at blanks here.
  local line=\${COMP_LINE:0:COMP_POINT}
  read -r -a words <<<"$line"
  if [[ $line == *[[:space:]] ]]; then words+=(''); fi
  current=\${words[-1]}
  before=\${words[-2]}
  if ((\${#words[@]} > 2)); then command=\${words[1]}; fi
  COMPREPLY=()
  local offered
  offered=$(_vfio_hook_value "$command:$before") || offered=$(_vfio_hook_words "$command")
  # What readline replaces begins after the last colon.
  local kept=''
  if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then kept=\${current%"\${current##*:}"}; fi
  while IFS= read -r word; do
    if [[ -n $word && $word == "$current"* ]]; then
      word=\${word#"$kept"}
      COMPREPLY+=("$(printf '%q' "$word")")
    fi
  done <<<"$offered"
}

complete -F _vfio_hook vfio-hook
`;
}

function bashValue(option: OptionSpec): string {
  const words = choices(option);
  return words.length > 0 ? `printf '%s\\n' ${words.join(' ')}` : bashWords[kindOf(option.value)];
}

// ---- zsh ----

const zshActions: Readonly<Record<Kind, string>> = {
  guest: '_vfio_hook_guests',
  address: '_vfio_hook_addresses',
  file: '_files',
  directory: '_files -/',
  command: '_command_names -e',
  nothing: ' ',
};

function zsh(): string {
  return `#compdef vfio-hook
# zsh completion for vfio-hook. ${made}

_vfio_hook_guests() {
  local -a guests
  guests=(/etc/libvirt/qemu/*.xml(N:t:r))
  _alternative 'guests:guest:compadd -a guests' 'files:file:_files -g "*.xml"'
}

_vfio_hook_addresses() {
  local -a devices
  devices=(/sys/bus/pci/devices/*(N:t))
  compadd -- \${devices#0000:} $devices
}

_vfio-hook() {
  local -a commands
  commands=(
${commands.flatMap((command) => namesOf(command).map((name) => `    ${zshQuoted(`${name}:${command.about}`)}`)).join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    _arguments '(-h --help)'{-h,--help}'[help]' '(-V --version)'{-V,--version}'[version]'
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT -= 1 ))
  case $command in
${commands.map(zshCase).join('\n')}
  esac
}

_vfio-hook "$@"
`;
}

function zshCase(command: Command): string {
  const options = shownOptions(command).map((option) => zshQuoted(zshOption(option)));
  const kind = operandKind(command);
  const operands =
    kind === 'nothing'
      ? []
      : [zshQuoted(`*:${(command.operands[0]?.name ?? '').toLowerCase()}:${zshActions[kind]}`)];
  return `    ${namesOf(command).join('|')}) _arguments ${[...options, zshQuoted('--help[help on this command]'), ...operands].join(' ')} ;;`;
}

function zshOption(option: OptionSpec): string {
  const { name, value, about } = option;
  const text = about.replaceAll(/[[\]:]/g, (char) => `\\${char}`);
  const words = choices(option);
  const action = words.length > 0 ? `(${words.join(' ')})` : zshActions[kindOf(value)];
  return `--${name}[${text}]${value === undefined ? '' : `:${value.toLowerCase().replaceAll(':', ' ')}:${action}`}`;
}

function zshQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// ---- fish ----

const fishActions: Readonly<Record<Kind, string>> = {
  guest: " -a '(__vfio_hook_guests)'",
  address: " -f -a '(__vfio_hook_addresses)'",
  file: ' -F',
  directory: " -f -a '(__fish_complete_directories)'",
  command: " -f -a '(__fish_complete_command)'",
  nothing: ' -f',
};

function fish(): string {
  const lines = commands.flatMap((command) => {
    const within = `complete -c vfio-hook -n '__fish_seen_subcommand_from ${namesOf(command).join(' ')}'`;
    const kind = operandKind(command);
    return [
      ...namesOf(command).map(
        (name) =>
          `complete -c vfio-hook -f -n __fish_use_subcommand -a ${name} -d ${fishQuoted(command.about)}`,
      ),
      ...(kind === 'nothing' ? [`${within} -f`] : [`${within}${fishActions[kind]}`]),
      ...shownOptions(command).map((option) => `${within}${fishOption(option)}`),
    ];
  });
  return `# fish completion for vfio-hook. ${made}

function __vfio_hook_guests
    for file in /etc/libvirt/qemu/*.xml
        string replace -r '.*/(.*)\\.xml$' '$1' -- $file
    end
end

function __vfio_hook_addresses
    for device in /sys/bus/pci/devices/*
        string replace -r '.*/' '' -- $device
        string replace -r '.*/0000:' '' -- $device
    end
end

complete -c vfio-hook -s h -l help -d 'help'
complete -c vfio-hook -n __fish_use_subcommand -s V -l version -d 'version'
${lines.join('\n')}
`;
}

function fishOption(option: OptionSpec): string {
  const { name, short, value, about } = option;
  const words = choices(option);
  const argument =
    value === undefined
      ? ''
      : words.length > 0
        ? ` -r -f -a '${words.join(' ')}'`
        : ` -r${fishActions[kindOf(value)]}`;
  return `${short === undefined ? '' : ` -s ${short}`} -l ${name}${argument} -d ${fishQuoted(about)}`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(`${repository}completions`, { recursive: true });
  for (const [file, text] of Object.entries(completions())) writeFileSync(`${repository}${file}`, text);
}
