import type { Hostdev } from '../domain/domain.ts';
import { jsonOption, type Command } from './command.ts';
import { readDomainFile } from './domain-file.ts';
import { escapeControl } from '../text.ts';
import { jsonText } from './json.ts';

/** `vfio-hook hostdevs FILE`: the assigned devices of a domain XML. */
export const hostdevs: Command = {
  name: 'hostdevs',
  about: 'list the host devices that a domain XML assigns',
  details:
    'Lists every host PCI device and mediated device that the XML of a guest assigns, in whichever form it\n' +
    'does so. Reads the file only: the host is not looked at.',
  operands: [{ name: 'FILE', about: 'domain XML, or - for standard input' }],
  options: [jsonOption],
  examples: ['vfio-hook hostdevs win11.xml', 'virsh dumpxml win11 | vfio-hook hostdevs - --json'],
  run: ({ operands: [file = '-'], options }, { print }) => {
    const domain = readDomainFile(file);
    if (options.has('json')) print(jsonText(domain.hostdevs));
    else if (domain.hostdevs.length === 0)
      print(`guest ${escapeControl(domain.name)} is assigned no host device`);
    else for (const hostdev of domain.hostdevs) print(escapeControl(hostdevLine(hostdev)));
    return 0;
  },
};

function hostdevLine(hostdev: Hostdev): string {
  const name = hostdev.kind === 'mdev' ? hostdev.uuid : hostdev.address;
  const facts = [
    hostdev.kind,
    `managed=${hostdev.managed ? 'yes' : 'no'}`,
    ...(hostdev.model === undefined ? [] : [`model=${hostdev.model}`]),
    ...(hostdev.kind !== 'mdev' && hostdev.namespace !== undefined ? [`namespace=${hostdev.namespace}`] : []),
  ];
  return `${name} ${facts.join(' ')}`;
}
