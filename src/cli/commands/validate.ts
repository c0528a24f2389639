import { basename, resolve } from 'node:path';
import type { ConfigScope } from '../../config/config.ts';
import { defaultsFiles } from '../../config/guest-file.ts';
import {
  inspectConfigs,
  inspectConfigText,
  type InspectedConfig,
  type InspectOptions,
  type Remark,
} from '../../engine/inspect-config.ts';
import { count } from '../../count.ts';
import { escapeControl, shownPath } from '../../text.ts';
import { jsonOption, machineOption, type Command } from '../command.ts';
import { inspection } from '../examination.ts';
import { hintForPeople, type Manner } from '../render/for-people.ts';
import { readOperand } from '../operand.ts';

/** `vfio-hook validate [FILE]`: what is wrong with the configuration. */
export const validate: Command = {
  name: 'validate',
  about: 'check the configuration, every file of it or one',
  details:
    'Reads the files in /etc/vfio-hook as the hook does, and says each problem with its file and line: what\n' +
    'cannot be read, unknown keys, files that others may write to. Warns of files that belong to no guest of\n' +
    'libvirt, of rules that match no device of this host, and of drivers that no guest can use. Changes nothing.',
  operands: [{ name: 'FILE', about: 'only this file, wherever it is', optional: true }],
  options: [jsonOption, machineOption],
  statuses: { 0: 'no problem; there may be warnings', 1: 'failed', 2: 'there are problems; or wrong usage' },
  examples: ['sudo vfio-hook validate', 'vfio-hook validate win11.yaml'],
  run: (call, terminal) => {
    const options = inspection(call, terminal);
    if (options.guests === undefined)
      terminal.say(
        'vfio-hook: note: which guests libvirt knows cannot be seen; run it as root to check that, too',
      );
    const [file] = call.operands;
    const all = file === undefined || isBelow(options.configDir, file) ? inspectConfigs(options) : [];
    const files = file === undefined ? all : [one(file, all, options)];
    if (call.options.has('json')) terminal.json(files.map(({ path, remarks }) => ({ path, remarks })));
    else {
      const lines = files.flatMap((each) => fileLines(each, terminal));
      terminal.print([...lines, summary(files, options.configDir)].join('\n'));
    }
    return remarksOf(files, 'problem') > 0 ? 2 : 0;
  },
};

function isBelow(directory: string, file: string): boolean {
  return resolve(file).startsWith(`${directory}/`);
}

/**
 * A file of the configuration as part of it, or the directory above it that is not to be trusted; any other one as it
 * is, whoever owns it.
 */
function one(file: string, all: readonly InspectedConfig[], options: InspectOptions): InspectedConfig {
  return (
    all.find(({ path }) => path === resolve(file)) ??
    all.find(({ path }) => isBelow(path, file)) ??
    inspectConfigText(readOperand(file), file, { ...options, scope: scopeOf(file) })
  );
}

/** A file that is not in its place is for whom its name says. */
function scopeOf(file: string): ConfigScope {
  return defaultsFiles([Buffer.from(basename(file))]).length > 0 ? 'all' : 'guest';
}

function fileLines({ path, remarks }: InspectedConfig, manner: Manner): string[] {
  return remarks.flatMap(({ severity, line, text, hints }) => [
    `${shownPath(path)}${line === undefined ? '' : `:${line}`}: ${severity}: ${escapeControl(text)}`,
    ...hints.flatMap((hint) => hintForPeople('  hint: ', hint, manner)),
  ]);
}

function summary(files: readonly InspectedConfig[], directory: string): string {
  if (files.length === 0) return `no configuration in ${shownPath(directory)}: none is needed`;
  return [
    count(files.length, 'file'),
    count(remarksOf(files, 'problem'), 'problem'),
    count(remarksOf(files, 'warning'), 'warning'),
  ].join(', ');
}

function remarksOf(files: readonly InspectedConfig[], severity: Remark['severity']): number {
  return files.flatMap(({ remarks }) => remarks).filter((remark) => remark.severity === severity).length;
}
