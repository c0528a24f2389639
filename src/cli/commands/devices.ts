import { advice } from '../../hint.ts';
import { VfioHookError } from '../../errors.ts';
import type { Host } from '../../host/host.ts';
import { readMdev } from '../../observe/mdev.ts';
import { groupsOf, takeSnapshot } from '../../observe/take-snapshot.ts';
import { gpuDirectCliques, knowsCliques, pciPath } from '../../pci/cliques.ts';
import { isBridgeClass, isSystemClass } from '../../pci/class.ts';
import type { PciDevice } from '../../pci/device.ts';
import { isMdevUuid } from '../../pci/mdev.ts';
import { sysfs } from '../../pci/sysfs.ts';
import { quoteName } from '../../text.ts';
import { jsonOption, machineOption, type Call, type Command, type Terminal } from '../command.ts';
import { addressOperand, readSelection, selectionOptions } from '../selection.ts';
import {
  cloudHypervisorArguments,
  libvirtXml,
  mdevArguments,
  mdevXml,
  qemuArguments,
  type Assignment,
  type VmmArguments,
} from '../vmm-arguments.ts';

/** `vfio-hook devices ADDRESS… --format FORMAT`: what to tell a VMM about whole groups. */
export const devices: Command = {
  name: 'devices',
  about: 'print the arguments, or the XML, that assign devices with their whole groups',
  details:
    'Prints what a virtual machine monitor has to be told to get the devices and everything else in their\n' +
    'IOMMU groups but bridges. NVIDIA GPUs below one PCI Express switch share a GPUDirect clique. A UUID in\n' +
    'place of an address is a mediated device. Looks at the host only; vfio-hook detach or run makes the\n' +
    'devices ready.',
  operands: [addressOperand],
  options: [
    { name: 'format', value: 'cloud-hypervisor|qemu|libvirt', about: 'what to print it for' },
    ...selectionOptions,
    jsonOption,
    machineOption,
  ],
  examples: [
    'vfio-hook devices 01:00.0 --format cloud-hypervisor',
    'vfio-hook devices 01:00.0 --format libvirt',
    'vfio-hook devices 83b8f4f2-509f-382f-3c1e-e6bfe0fa1001 --format libvirt',
  ],
  run: async (call, terminal) => {
    const format = readFormat(call.options.get('format'));
    const { host } = terminal.openEngine(call);
    if (call.operands.some(isMdev)) return printMdevs(call, terminal, { host, format });
    const { devices: named, companions } = readSelection(call, host);
    const assignment = await assignmentOf(host, [...named, ...companions]);
    if (format === 'libvirt') {
      if (assignment.cliques.size > 0) terminal.say(`vfio-hook: ${NO_CLIQUES}`);
      const xml = libvirtXml(assignment);
      if (call.options.has('json')) terminal.json({ format, xml });
      else terminal.data(xml);
      return 0;
    }
    const { options, warnings }: VmmArguments =
      format === 'qemu' ? qemuArguments(assignment) : cloudHypervisorArguments(assignment);
    for (const warning of warnings) terminal.say(`vfio-hook: ${warning}`);
    if (call.options.has('json')) terminal.json({ format, arguments: options.flat() });
    // As it is, however wide the terminal: it is pasted.
    else terminal.data(options.map((words) => words.join(' ')).join('\n'));
    return 0;
  },
};

function isMdev(operand: string): boolean {
  return isMdevUuid(operand.toLowerCase());
}

/** Mediated devices have no group to move and nothing to be bound: each is named by itself. */
function printMdevs(
  { operands, options }: Call,
  terminal: Terminal,
  { host, format }: { readonly host: Host; readonly format: (typeof formats)[number] },
): number {
  const stranger = operands.find((operand) => !isMdev(operand));
  if (stranger !== undefined)
    throw new VfioHookError('VH_USAGE', 'PCI devices and mediated devices do not go together', {
      hints: [advice('ask for them in two calls')],
    });
  const uuids = operands.map((operand) => operand.toLowerCase());
  const missing = uuids.filter((uuid) => !readMdev(host, uuid));
  if (missing.length > 0)
    terminal.say(
      `vfio-hook: ${missing.join(', ')}: not there now; mdev of the configuration makes it for a guest`,
    );
  if (format === 'libvirt') {
    const xml = uuids.map((uuid) => mdevXml(uuid, apiOf(host, uuid))).join('\n');
    if (options.has('json')) terminal.json({ format, xml });
    else terminal.data(xml);
    return 0;
  }
  const words = mdevArguments(uuids, format);
  if (options.has('json')) terminal.json({ format, arguments: words.flat() });
  else terminal.data(words.map((each) => each.join(' ')).join('\n'));
  return 0;
}

/** What a device is for QEMU, by its type; one that is not there is taken for a PCI device. */
function apiOf(host: Host, uuid: string): string {
  const mdev = readMdev(host, uuid);
  const api = mdev && host.read(sysfs.mdevType(mdev.parent, mdev.type, 'device_api'))?.trim();
  return api === undefined || api === '' ? 'vfio-pci' : api;
}

/** libvirt has no element for them. */
const NO_CLIQUES =
  'the GPUs share GPUDirect cliques, which <hostdev> cannot say: vfio-hook lint GUEST prints what to add';

const formats = ['cloud-hypervisor', 'qemu', 'libvirt'] as const;

function readFormat(text: string | true | undefined): (typeof formats)[number] {
  const format = formats.find((each) => each === text);
  if (format) return format;
  throw new VfioHookError(
    'VH_USAGE',
    typeof text === 'string'
      ? `there is no format ${quoteName(text)}`
      : 'vfio-hook devices needs --format FORMAT',
    { hints: [advice(`formats: ${formats.join(', ')}`)] },
  );
}

async function assignmentOf(host: Host, addresses: Parameters<typeof groupsOf>[1]): Promise<Assignment> {
  const snapshot = await takeSnapshot(host, groupsOf(host, addresses), {
    deadlineMs: DEADLINE_MS,
    uses: 'unread',
  });
  const assigned = snapshot.devices.filter((device) => isForGuests(device, addresses));
  const gpus = assigned.filter(knowsCliques);
  const paths = gpus.map(({ address }) => pciPath(address, host.readLink(sysfs.device(address)) ?? ''));
  return { devices: assigned, cliques: gpuDirectCliques(paths) };
}

const DEADLINE_MS = 30_000;

/** What is asked for by address may be an "other" bridge such as NVSwitch; what only shares the group may not. */
function isForGuests({ address, class: code, headerType }: PciDevice, asked: readonly string[]): boolean {
  if (headerType !== 'endpoint' || isSystemClass(code)) return false;
  return !isBridgeClass(code) || asked.includes(address);
}
