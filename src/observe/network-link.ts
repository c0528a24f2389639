import type { Host } from '../host/host.ts';
import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';

/** Name of the network interface that a driver of the host has made of a device; undefined when there is none. */
export function networkLink(host: Host, device: PciAddress): string | undefined {
  return host.list(sysfs.attribute(device, 'net'))?.[0];
}

/** Whether an interface is up, as ip(8) and libvirt mean it: IFF_UP (net/core/net-sysfs.c:flags_show). */
export function isLinkUp(host: Host, device: PciAddress, link: string): boolean {
  return (Number(host.read(sysfs.attribute(device, `net/${link}/flags`)) ?? 0) & 1) === 1;
}
