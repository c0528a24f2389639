import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { commands } from '../src/cli/commands/index.ts';
import type { Command, OptionSpec } from '../src/cli/command.ts';
import { aliasSentences, shownOptions, usageLine } from '../src/cli/help.ts';
import { classWords } from '../src/config/match.ts';
import { builtInClassName } from '../src/pci/class.ts';
import { useReasons, useWords } from '../src/pci/use.ts';
import { bold, heading, italic, paragraphs, roffText, subheading, terms, verbatim } from './roff.ts';
import { configJsonSchema } from './schema.ts';

/*
 * The manual pages, made from the table of sub-commands, which `--help` is made from as well, and from the schema of
 * configuration files.
 */

const repository = fileURLToPath(new URL('..', import.meta.url));

/** Every page by its file below the repository. */
export async function manualPages(): Promise<Readonly<Record<string, string>>> {
  return { 'man/vfio-hook.8': commandPage(), 'man/vfio-hook.yaml.5': await configPage() };
}

function page(name: string, section: number, parts: readonly string[]): string {
  const { version } = JSON.parse(readFileSync(`${repository}package.json`, 'utf8')) as { version: string };
  return [
    '.\\" Made by scripts/man.ts from the texts of the help and the schema.',
    `.TH ${name.toUpperCase()} ${section} "" "vfio\\-hook ${version}" "vfio\\-hook"`,
    ...parts,
    '',
  ].join('\n');
}

function commandPage(): string {
  return page('vfio-hook', 8, [
    heading('NAME'),
    'vfio\\-hook \\- hand host PCI devices to libvirt guests and put back exactly what was there',
    heading('SYNOPSIS'),
    ...commands.map((command) => `.br\n${bold('vfio-hook')} ${roffText(usageLine(command))}`),
    heading('DESCRIPTION'),
    paragraphs(
      'libvirt runs this program as /etc/libvirt/hooks/qemu. When a guest with assigned host PCI devices starts, it moves their ' +
        'whole IOMMU groups from their host drivers to vfio-pci, and resizes BARs where the configuration asks for it. When the ' +
        'guest is gone it puts back what was there: driver, driver override, BAR sizes, power control, reset methods.\n\n' +
        'The sub-commands show what it does and what it would do, get devices back after a crash, and do the same by hand.',
    ),
    heading('COMMANDS'),
    ...commands.flatMap(commandSection),
    heading('WORDS FOR --allow'),
    terms(useReasons.map((reason) => [bold(reason), useWords[reason]])),
    heading('EXIT STATUS'),
    terms([
      ['0', 'done, or nothing to do'],
      ['1', 'failed; a message on standard error says what, and what to do'],
      ['2', 'wrong usage'],
    ]),
    paragraphs('A sub-command may say otherwise above.'),
    heading('ENVIRONMENT'),
    terms([
      [bold('NO_COLOR'), 'when it is set, nothing is coloured; nothing is on a pipe or in a file either'],
    ]),
    heading('FILES'),
    terms([
      [italic('/etc/vfio-hook/config.yaml'), 'configuration of all guests; see vfio-hook.yaml(5)'],
      [italic('/etc/vfio-hook/domains/'), 'configuration of single guests, by name or UUID'],
      [italic('/usr/lib/vfio-hook/'), 'the code, which the program starts with Node.js'],
      [italic('/run/vfio-hook/claims/'), 'who holds which devices, and what they were before'],
      [italic('/var/log/libvirt/vfio-hook.log'), 'the log where there is no journal'],
      [italic('/etc/logrotate.d/vfio-hook'), 'how long that is kept'],
      [italic('/usr/share/doc/vfio-hook/'), 'documentation: failure-modes.md, recovery.md and others'],
    ]),
    heading('SEE ALSO'),
    '.BR vfio\\-hook.yaml (5),\n.BR virsh (1),\n.BR lspci (8),\n.BR driverctl (8)',
  ]);
}

function commandSection(command: Command): string[] {
  const statuses = Object.entries(command.statuses ?? {});
  return [
    subheading(usageLine(command)),
    paragraphs([command.details, ...aliasSentences(command)].join('\n')),
    terms([
      ...command.operands.map(({ name, about }): [string, string] => [italic(name), about]),
      ...shownOptions(command).map((option): [string, string] => [optionTerm(option), option.about]),
    ]),
    ...(statuses.length > 0
      ? ['.PP\nExit status:', terms(statuses.map(([status, about]) => [status, about]))]
      : []),
    verbatim(command.examples),
  ];
}

function optionTerm({ name, short, value }: OptionSpec): string {
  const forms = [...(short === undefined ? [] : [bold(`-${short}`)]), bold(`--${name}`)].join(', ');
  return value === undefined ? forms : `${forms} ${italic(value)}`;
}

/** What a JSON Schema says of one value; the few words of it that ours uses. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

async function configPage(): Promise<string> {
  const schema = JSON.parse(await configJsonSchema()) as Schema;
  const example = readFileSync(`${repository}examples/configs/rdna3-bar2.yaml`, 'utf8').trimEnd().split('\n');
  return page('vfio-hook.yaml', 5, [
    heading('NAME'),
    'vfio\\-hook.yaml \\- configuration of vfio\\-hook',
    heading('DESCRIPTION'),
    paragraphs(
      'No file is needed: the XML of a guest says which devices it gets. A file is for what the XML cannot say, such as the size ' +
        'of a BAR. config.yaml holds for all guests; a file in domains, named after the name or the UUID of a guest, for that one; ' +
        'what it says wins. The ending may be .yaml, .yml or .json.\n\n' +
        'Files and their directories must belong to root and be writable by nobody else. They are data: no tags, no imports. ' +
        'A key that does not exist is an error. vfio-hook validate checks them.',
    ),
    heading('KEYS'),
    terms(keys('', schema).map(([path, about]) => [bold(path), about])),
    heading('WORDS FOR match'),
    terms(
      Object.entries(classWords).map(([word, code]) => [
        bold(word),
        `devices of class ${code}: ${builtInClassName(code) ?? ''}`,
      ]),
    ),
    heading('WORDS FOR allow'),
    terms(useReasons.map((reason) => [bold(reason), useWords[reason]])),
    heading('EXAMPLE'),
    verbatim(example),
    heading('FILES'),
    terms([
      [italic('/etc/vfio-hook/config.yaml'), 'all guests'],
      [italic('/etc/vfio-hook/domains/GUEST.yaml'), 'one guest'],
      [italic('/usr/share/vfio-hook/vfio-hook.schema.json'), 'the JSON Schema, for editors'],
    ]),
    heading('SEE ALSO'),
    '.BR vfio\\-hook (8)',
  ]);
}

/** Every key with what is said of it; a list shows as `devices[]`, and the six BARs as one. */
function keys(path: string, schema: Schema): [string, string][] {
  const own: [string, string][] = path === '' ? [] : [[path, about(schema)]];
  const inner = schema.items ? keys(`${path}[]`, { ...schema.items, description: '' }).slice(1) : [];
  const entries = Object.entries(schema.properties ?? {}).filter(([name]) => name !== '$schema');
  const bars = entries.every(([name]) => /^\d$/.test(name)) ? entries.slice(0, 1) : entries;
  return [
    ...own,
    ...inner,
    ...bars.flatMap(([name, each]) =>
      keys(`${path}${path === '' ? '' : '.'}${/^\d$/.test(name) ? 'N' : name}`, each),
    ),
  ];
}

function about(schema: Schema): string {
  const choices = schema.enum === undefined ? [] : [`One of ${schema.enum.join(', ')}.`];
  return [schema.description ?? '', ...choices].filter((each) => each !== '').join(' ');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(`${repository}man`, { recursive: true });
  for (const [file, text] of Object.entries(await manualPages())) writeFileSync(`${repository}${file}`, text);
}
