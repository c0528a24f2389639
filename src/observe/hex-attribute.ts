import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Host } from '../host/host.ts';

/** An id or class that the kernel prints in hexadecimal, such as `vendor`, without 0x in front; undefined: it is not there. */
export function hexAttribute(host: Host, address: PciAddress, name: string): string | undefined {
  return host.read(sysfs.attribute(address, name))?.trim().replace(/^0x/, '');
}
