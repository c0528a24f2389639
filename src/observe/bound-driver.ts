import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Host } from '../host/host.ts';

/** Name of the driver that the kernel shows for a device; undefined when it has none, or is not there. */
export function boundDriver(host: Host, address: PciAddress): string | undefined {
  return host.readLink(sysfs.attribute(address, 'driver'))?.split('/').pop();
}
