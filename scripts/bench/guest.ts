import { readFileSync } from 'node:fs';
import { parsePciAddress, pciAddressParts } from '../../src/pci/address.ts';

/** A guest, and its XML as libvirt gives it to the hook. */
export interface Guest {
  readonly name: string;
  readonly xml: string;
}

/** A guest of the usual kind and size that is assigned these devices. */
export function guestWith(addresses: readonly string[]): Guest {
  const example = readFileSync('examples/domains/windows-11-rx7900xtx.xml', 'utf8');
  const [, name = ''] = /<name>(.*)<\/name>/.exec(example) ?? [];
  const hostdevs = / *<hostdev [^]*<\/hostdev>\n/;
  return { name, xml: example.replace(hostdevs, addresses.map(hostdevOf).join('')) };
}

function hostdevOf(text: string): string {
  const address = parsePciAddress(text);
  if (!address) throw new Error(`${text} is no address`);
  const { domain, bus, slot, function: number } = pciAddressParts(address);
  const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;
  return `    <hostdev mode='subsystem' type='pci' managed='yes'>
      <source>
        <address domain='${hex(domain, 4)}' bus='${hex(bus, 2)}' slot='${hex(slot, 2)}' function='${hex(number, 1)}'/>
      </source>
    </hostdev>
`;
}
