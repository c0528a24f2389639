import { structuredPatch } from 'diff';
import { editConfig, type ConfigEdit } from '../../config/edit.ts';
import { guestFilePath } from '../../config/guest-file.ts';
import { ownConfigText, type ConfigText } from '../../engine/config-file.ts';
import { inspectConfigText, type InspectOptions, type Remark } from '../../engine/inspect-config.ts';
import { rewriteGuestConfig } from '../../engine/write-config.ts';
import { VfioHookError } from '../../errors.ts';
import { advice, hintText } from '../../hint.ts';
import { parsePciAddress } from '../../pci/address.ts';
import { shownPath } from '../../text.ts';
import {
  dryRunOption,
  guestOperand,
  machineOption,
  type Call,
  type Command,
  type Terminal,
} from '../command.ts';
import { inspection } from '../examination.ts';
import { readGuest } from '../guest-xml.ts';
import { readSetting, settings } from '../settings.ts';

const words = (of: 'device' | 'guest'): string =>
  settings
    .filter((setting) => setting.of === of)
    .map(({ word }) => word)
    .join(', ');

const details = (what: string): string =>
  `${what} in /etc/vfio-hook/domains/GUEST.yaml, and shows the lines that change. Comments\n` +
  'and the order stay. What would not be a valid configuration is refused, and the file stays as it is. Devices are\n' +
  'not touched: the next start of the guest goes by it.\n' +
  `Of a device, whose ADDRESS comes first: ${words('device')}.\n` +
  `Of the guest: ${words('guest')}.\n` +
  'What each means is in vfio-hook.yaml(5).';

const addressed = {
  name: 'ADDRESS',
  about: 'the device that the settings are for, such as 01:00.0; left out for those of the guest',
  optional: true,
} as const;

/** `vfio-hook set GUEST [ADDRESS] KEY=VALUE…`: the common keys without an editor. */
export const set: Command = {
  name: 'set',
  about: 'change the configuration of a guest',
  details: details('Writes settings'),
  operands: [
    guestOperand,
    addressed,
    { name: 'KEY=VALUE', about: 'such as bar2=8MiB', repeated: true, optional: true },
  ],
  options: [dryRunOption, machineOption],
  examples: [
    'sudo vfio-hook set win11 03:00.0 bar2=8MiB',
    'sudo vfio-hook set win11 display=auto governor=performance',
  ],
  run: (call, terminal) => change(call, terminal, 'set'),
};

/** `vfio-hook unset GUEST [ADDRESS] KEY…`: takes them out again. */
export const unset: Command = {
  name: 'unset',
  about: 'take settings out of the configuration of a guest',
  details: details('Takes settings out of what is'),
  operands: [guestOperand, addressed, { name: 'KEY', about: 'such as bar2', repeated: true, optional: true }],
  options: [dryRunOption, machineOption],
  examples: ['sudo vfio-hook unset win11 03:00.0 bar2', 'sudo vfio-hook unset win11 governor'],
  run: (call, terminal) => change(call, terminal, 'unset'),
};

function change(call: Call, terminal: Terminal, way: 'set' | 'unset'): number {
  const [operand = '', ...rest] = call.operands;
  const edits = readEdits(rest, way);
  const { domain: guest } = readGuest(operand, terminal.ownHost(call));
  const { configDirectory: configDir, trustedUid } = terminal.locations(call);
  const file = ownConfigText({ configDir, trustedUid, guest });
  const path = file?.path ?? guestFilePath(guest, configDir);
  refuseJson(path);
  const options = inspection(call, terminal);
  const before = file?.text ?? '';
  if (file) refuseBroken(file, 'is not valid as it is', options);
  const after = editConfig(before, edits);
  if (after === before) {
    terminal.print(`nothing to change in ${shownPath(path)}`);
    return 0;
  }
  for (const { text, hints } of refuseBroken(
    { path, text: after },
    'would not be valid with that',
    options,
  )) {
    terminal.say(`vfio-hook: warning: ${text}`);
    for (const hint of hints) terminal.say(`vfio-hook: hint: ${hintText(hint)}`);
  }
  terminal.print(difference(path, before, after), true);
  if (call.options.has('dry-run')) return 0;
  rewriteGuestConfig({ configDir, trustedUid, guest, ...(file && { path: file.path }) }, after);
  terminal.print(`written: ${shownPath(path)}`);
  return 0;
}

/** The operands behind the guest: an address, if there is one, and the settings. */
function readEdits(rest: readonly string[], way: 'set' | 'unset'): readonly ConfigEdit[] {
  const device = parsePciAddress(rest[0] ?? '');
  const given = device === undefined ? rest : rest.slice(1);
  if (given.length === 0)
    throw new VfioHookError('VH_USAGE', `what is to be ${way} is missing`, {
      hints: [advice(`see: vfio-hook ${way} --help`)],
    });
  return given.map((text) => readSetting(text, device, way));
}

function refuseJson(path: string): void {
  if (!path.endsWith('.json')) return;
  throw new VfioHookError(
    'VH_CONFIG',
    `${shownPath(path)} is JSON, and only YAML is changed by this command`,
    {
      path,
      hints: [advice('edit the file, or rename it to .yaml: YAML takes JSON as it is')],
    },
  );
}

/** A file that no start would take is no ground to build on, and nothing is made into one. Returns what there is to warn of. */
function refuseBroken(file: ConfigText, what: string, options: InspectOptions): readonly Remark[] {
  const { remarks } = inspectConfigText(file.text, file.path, options);
  const problems = remarks.filter(({ severity }) => severity === 'problem');
  if (problems.length === 0) return remarks;
  throw new VfioHookError(
    'VH_CONFIG',
    `${shownPath(file.path)} ${what}: ${problems.map(({ line, text }) => `${line === undefined ? '' : `line ${line}: `}${text}`).join('; ')}`,
    { path: file.path, hints: problems.flatMap(({ hints }) => hints) },
  );
}

/** The lines that change, with a few around them, as diff -u shows them; what is left out between is a line with dots. */
function difference(path: string, before: string, after: string): string {
  const { hunks } = structuredPatch(path, path, before, after, undefined, undefined, { context: 2 });
  return hunks.map(({ lines }) => lines.filter((line) => !line.startsWith('\\')).join('\n')).join('\n…\n');
}
