import { VfioHookError } from '../errors.ts';
import { advice } from '../hint.ts';
import type { Host } from '../host/host.ts';
import type { PciAddress } from '../pci/address.ts';
import { quoteName } from '../text.ts';
import { identityOf } from './identity.ts';

/** A vendor of PCI devices. */
export interface Vendor {
  /** Four hexadecimal digits. */
  readonly id: string;
  /** How text names it. */
  readonly shown: string;
}

/** Vendors of graphics cards by the names that people know. */
const vendors: Readonly<Record<string, { readonly id: string; readonly shown: string }>> = {
  nvidia: { id: '10de', shown: 'NVIDIA' },
  amd: { id: '1002', shown: 'AMD' },
  intel: { id: '8086', shown: 'Intel' },
};

/** Reads `nvidia`, `10de` or `0x10de`. Throws VH_USAGE. */
export function readVendor(text: string): Vendor {
  const word = text.toLowerCase().replace(/^0x/, '');
  const known = Object.hasOwn(vendors, word)
    ? vendors[word]
    : Object.values(vendors).find(({ id }) => id === word);
  if (known) return known;
  if (/^[0-9a-f]{4}$/.test(word)) return { id: word, shown: `vendor ${word}` };
  throw new VfioHookError('VH_USAGE', `${quoteName(text)} is no vendor`, {
    hints: [advice(`write ${Object.keys(vendors).join(', ')}, or an id as lspci -nn does: 10de`)],
  });
}

/** Throws VH_REFUSED when one of the devices is of another vendor. */
export function checkVendor(host: Host, devices: readonly PciAddress[], { id, shown }: Vendor): void {
  for (const address of devices) {
    const { vendor } = identityOf(host, address);
    // One that is not there is said by whoever looks for its group.
    if (vendor === id || vendor === '') continue;
    throw new VfioHookError('VH_REFUSED', `${address} is no device of ${shown}: its vendor is ${vendor}`, {
      device: address,
      hints: [advice(`compare with: lspci -nns ${address}`)],
    });
  }
}
