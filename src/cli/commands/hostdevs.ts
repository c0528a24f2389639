import type { Hostdev } from '../../domain/domain.ts';
import { guestOperand, jsonOption, machineOption, type Command } from '../command.ts';
import { escapeControl } from '../../text.ts';
import { readGuest } from '../guest-xml.ts';

/** `vfio-hook hostdevs GUEST`: the assigned devices of a domain XML. */
export const hostdevs: Command = {
  name: 'hostdevs',
  about: 'list the host devices that a guest is assigned',
  details:
    'Lists every host PCI device and mediated device that the XML of a guest assigns, in whichever form it\n' +
    'does so. Reads the XML only: whether the host has such devices is not looked at.',
  operands: [guestOperand],
  options: [jsonOption, machineOption],
  examples: ['sudo vfio-hook hostdevs win11', 'virsh dumpxml win11 | vfio-hook hostdevs - --json'],
  run: (call, { json, print, ownHost }) => {
    const { domain } = readGuest(call.operands[0] ?? '-', ownHost(call));
    if (call.options.has('json')) json(domain.hostdevs);
    else if (domain.hostdevs.length === 0)
      print(`guest ${escapeControl(domain.name)} is assigned no host device`);
    else for (const hostdev of domain.hostdevs) print(hostdevLine(hostdev));
    return 0;
  },
};

function hostdevLine(hostdev: Hostdev): string {
  const name = hostdev.kind === 'mdev' ? hostdev.uuid : hostdev.address;
  const facts = [
    hostdev.kind,
    `managed=${hostdev.managed ? 'yes' : 'no'}`,
    ...(hostdev.model === undefined ? [] : [`model=${escapeControl(hostdev.model)}`]),
    ...(hostdev.kind !== 'mdev' && hostdev.namespace !== undefined ? [`namespace=${hostdev.namespace}`] : []),
  ];
  return `${name} ${facts.join(' ')}`;
}
