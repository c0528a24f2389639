import { parsePciAddress, type PciAddress } from '../../pci/address.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../host.ts';

/** A PCI device and where it is. */
export interface Placed {
  readonly address: PciAddress;
  /** The bridge that it is behind; absent on a root bus. */
  readonly behind?: PciAddress;
}

/** Every PCI device, each after the bridge that it is behind. */
export function placedDevices(host: Host): Placed[] {
  const found = (host.list(sysfs.devices) ?? []).flatMap((name) => {
    const address = parsePciAddress(name);
    return address ? [{ address, path: host.readLink(sysfs.device(address)) ?? name }] : [];
  });
  // A path is the beginning of the paths of what is behind it.
  return found
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ address, path }) => {
      const behind = pciAddressesIn(path).at(-2);
      return { address, ...(behind !== undefined && { behind }) };
    });
}

/** The PCI devices that a path in sysfs leads through, from the root to the leaf. */
export function pciAddressesIn(path: string): PciAddress[] {
  return path.split('/').flatMap((part) => (part.includes(':') ? (parsePciAddress(part) ?? []) : []));
}

/** The entries of a class in sysfs (`net`, `block`, `drm`, `sound`) with the PCI device that each one belongs to. */
export function classEntries(
  host: Host,
  name: string,
): { readonly name: string; readonly device: PciAddress; readonly path: string }[] {
  return (host.list(sysfs.class(name)) ?? []).flatMap((entry) => {
    const path = host.readLink(`${sysfs.class(name)}/${entry}`);
    const device = path === undefined ? undefined : pciAddressesIn(path).at(-1);
    return path === undefined || device === undefined ? [] : [{ name: entry, device, path }];
  });
}
