import { parsePciAddress, slotOf, type PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Host } from '../host/host.ts';

/** The functions of this host in the slot of a device, itself among them, in the kernel's order. */
export function slotFunctions(host: Host, address: PciAddress): PciAddress[] {
  const slot = slotOf(address);
  return (host.list(sysfs.devices) ?? []).flatMap((name) => {
    const other = parsePciAddress(name);
    return other !== undefined && slotOf(other) === slot ? [other] : [];
  });
}
