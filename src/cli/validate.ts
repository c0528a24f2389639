import { knownGuests, readKnownGuest } from '../engine/guests.ts';
import { hintText } from '../hint.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { readDevice } from '../host/read-device.ts';
import type { Host } from '../host/host.ts';
import type { GuestKey } from '../config/guest-file.ts';
import type { PciDevice } from '../pci/device.ts';
import { parsePciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import { escapeControl, shownPath } from '../text.ts';
import { checkAll, checkOne, type CheckedFile, type Remark } from './check-config.ts';
import { jsonOption, machineOption, type Command } from './command.ts';
import { jsonText } from './json.ts';

/** `vfio-hook validate [FILE]`: what is wrong with the configuration. */
export const validate: Command = {
  name: 'validate',
  about: 'check the configuration, every file of it or one',
  details:
    'Reads the files in /etc/vfio-hook as the hook does, and says each problem with its file and line: what\n' +
    'cannot be read, unknown keys, files that others may write to. Warns of files that belong to no guest of\n' +
    'libvirt, and of rules that match no device of this host. Changes nothing.',
  operands: [{ name: 'FILE', about: 'only this file, wherever it is', optional: true }],
  options: [jsonOption, machineOption],
  statuses: { 0: 'no problem; there may be warnings', 1: 'failed', 2: 'there are problems; or wrong usage' },
  examples: ['sudo vfio-hook validate', 'vfio-hook validate win11.yaml'],
  run: (call, terminal) => {
    const { host } = terminal.openEngine(call);
    const options = {
      where: terminal.locations(call),
      decoder: terminal.parts.load('config.cjs'),
      devices: devicesOf(host),
      guests: guestsOf(host),
    };
    if (options.guests === undefined)
      terminal.say(
        'vfio-hook: note: which guests libvirt knows cannot be seen; run it as root to check that, too',
      );
    const [file] = call.operands;
    const files = file === undefined ? checkAll(options) : [checkOne(file, options)];
    if (call.options.has('json')) terminal.print(jsonText(files));
    else
      terminal.print([...files.flatMap(fileLines), summary(files, options.where.configDirectory)].join('\n'));
    return count(files, 'problem') > 0 ? 2 : 0;
  },
};

/** Without what would need a device's lock: rules look at ids, classes and BARs. */
function devicesOf(host: Host): PciDevice[] {
  return (host.list(sysfs.devices) ?? []).flatMap((name) => {
    const address = parsePciAddress(name);
    return (address && readDevice(host, address, new Map())) ?? [];
  });
}

/** Undefined when libvirt's files may not be looked at. A definition that is broken still has a name. */
function guestsOf(host: Host): GuestKey[] | undefined {
  try {
    return knownGuests(host).map((guest) => {
      try {
        return { name: guest.name, uuid: readKnownGuest(guest, host)?.domain.uuid ?? '' };
      } catch (error) {
        if (error instanceof VfioHookError) return { name: guest.name, uuid: '' };
        throw error;
      }
    });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function fileLines({ path, remarks }: CheckedFile): string[] {
  return remarks.flatMap(({ severity, line, text, hints }) => [
    `${shownPath(path)}${line === undefined ? '' : `:${line}`}: ${severity}: ${escapeControl(text)}`,
    ...hints.map((hint) => `  hint: ${escapeControl(hintText(hint))}`),
  ]);
}

function summary(files: readonly CheckedFile[], directory: string): string {
  if (files.length === 0) return `no configuration in ${shownPath(directory)}: none is needed`;
  const words = [
    counted(files.length, 'file'),
    counted(count(files, 'problem'), 'problem'),
    counted(count(files, 'warning'), 'warning'),
  ];
  return words.join(', ');
}

function count(files: readonly CheckedFile[], severity: Remark['severity']): number {
  return files.flatMap(({ remarks }) => remarks).filter((remark) => remark.severity === severity).length;
}

function counted(number: number, what: string): string {
  return `${number === 0 ? 'no' : number} ${what}${number === 1 ? '' : 's'}`;
}
