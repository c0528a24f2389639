import { comparePciAddresses, parsePciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import { locationOf, parseLink, type PciLocation } from '../pci/topology.ts';
import type { Host } from '../host/host.ts';

/** Where every PCI device of the host is plugged in, in order of address. None of the reads waits for a driver. */
export function readTopology(host: Host): PciLocation[] {
  return (host.list(sysfs.devices) ?? [])
    .flatMap((name) => parsePciAddress(name) ?? [])
    .sort(comparePciAddresses)
    .flatMap((address) => {
      const place = locationOf(host.readLink(sysfs.device(address)) ?? '');
      if (!place) return [];
      const text = (name: string): string | undefined => readIfItCan(host, sysfs.attribute(address, name));
      const node = Number(text('numa_node') ?? -1);
      const link = parseLink({
        speed: text('current_link_speed'),
        width: text('current_link_width'),
        maxSpeed: text('max_link_speed'),
        maxWidth: text('max_link_width'),
      });
      return { ...place, ...(node >= 0 && { numaNode: node }), ...(link && { link }) };
    });
}

/** The link of a card without power cannot be asked (EINVAL, drivers/pci/pci-sysfs.c:current_link_speed_show). */
function readIfItCan(host: Host, path: string): string | undefined {
  try {
    return host.read(path);
  } catch {
    return undefined;
  }
}
