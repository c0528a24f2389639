import { advice } from '../../hint.ts';
import { VfioHookError } from '../../errors.ts';
import { inspectGroups } from '../../engine/inspect.ts';
import type { Host } from '../../host/host.ts';
import { allGroups, groupsOf, iommuOff } from '../../observe/take-snapshot.ts';
import { parsePciAddress } from '../../pci/address.ts';
import { escapeControl, quoteName } from '../../text.ts';
import { hostOption, jsonOption, machineOption, type Command } from '../command.ts';
import { groupsJson } from '../render/groups-json.ts';
import { isOfInterest } from '../render/group-words.ts';
import { groupLines, groupsText } from '../render/groups.ts';

/** `vfio-hook groups`: the IOMMU groups, what is in them, who has them, and whether a guest could. */
export const groups: Command = {
  name: 'groups',
  about: 'list IOMMU groups, who has them, and whether a guest could',
  details:
    'Lists IOMMU groups with their devices: names, drivers, reset methods, resizable BARs, the guest or program\n' +
    'that has them, and whether a guest could be given the whole group, by the very code that the hook runs.\n' +
    'Groups of bridges and parts of the chipset are only counted, unless --all, --lines, --json or an operand\n' +
    'asks for them. Changes nothing. Works without root; what only root can see is then left out.',
  operands: [
    {
      name: 'ADDRESS|GROUP',
      about: 'a device (01:00.0) or the number of a group; default: all',
      optional: true,
      repeated: true,
    },
  ],
  options: [
    { name: 'all', about: 'show every group, also those of bridges and parts of the chipset' },
    { name: 'lines', about: 'print a line for each device, as the well-known scripts around lspci -nns do' },
    hostOption,
    jsonOption,
    machineOption,
  ],
  examples: [
    'vfio-hook groups',
    'sudo vfio-hook groups 01:00.0',
    'vfio-hook groups --lines | grep -i nvidia',
  ],
  run: async (call, terminal) => {
    const engine = terminal.openEngine(call);
    const { host } = engine;
    const all = allGroups(host);
    if (all.length === 0) throw iommuOff();
    const named = call.operands.map((operand) => groupOf(host, all, operand));
    const wanted = named.length > 0 ? all.filter((number) => named.includes(number)) : all;
    const inspection = await inspectGroups(engine, wanted);
    for (const note of inspection.notes) terminal.say(`vfio-hook: note: ${escapeControl(note)}`);
    const names = terminal.names(host);
    if (call.options.has('json')) {
      terminal.json(groupsJson(inspection.groups, names));
      return 0;
    }
    if (call.options.has('lines')) {
      for (const line of groupLines(inspection.groups, names)) terminal.print(line);
      return 0;
    }
    const everything = call.options.has('all') || named.length > 0;
    const shown = everything ? inspection.groups : inspection.groups.filter(isOfInterest);
    const rest = inspection.groups.filter((group) => !shown.includes(group));
    terminal.print(groupsText({ shown, rest }, { ...terminal, names }));
    return 0;
  },
};

/** The number of the group that an operand names. */
function groupOf(host: Host, all: readonly number[], operand: string): number {
  if (/^\d{1,9}$/.test(operand)) {
    if (all.includes(Number(operand))) return Number(operand);
    throw new VfioHookError('VH_NO_DEVICE', `there is no IOMMU group ${operand} on this host`, {
      hints: [advice('numbers change between boots; see: vfio-hook groups --all')],
    });
  }
  const address = parsePciAddress(operand);
  const [group] = address === undefined ? [] : groupsOf(host, [address]);
  if (group !== undefined) return group;
  throw new VfioHookError('VH_USAGE', `${quoteName(operand)} is no PCI address and no number of a group`, {
    hints: [advice('an address has the form 0000:01:00.0 or 01:00.0; see: vfio-hook groups')],
  });
}
