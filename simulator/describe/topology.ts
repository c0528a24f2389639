import { parsePciAddress, type PciAddress } from '../../src/pci/address.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import type { PciLocation } from '../../src/pci/topology.ts';
import type { Host } from '../../src/host/host.ts';

/** The same devices, each after the one that it is behind. */
export function bridgesFirst(places: readonly PciLocation[]): PciLocation[] {
  const known = new Map(places.map((place) => [place.address, place]));
  const ordered = new Set<PciLocation>();
  const add = (place: PciLocation | undefined): void => {
    if (!place || ordered.has(place)) return;
    add(place.parent === undefined ? undefined : known.get(place.parent));
    ordered.add(place);
  };
  places.forEach(add);
  return [...ordered];
}

/** The entries of a class in sysfs (`net`, `drm`, `sound`) with the PCI device that each one belongs to. */
export function classEntries(
  host: Host,
  name: string,
): { readonly name: string; readonly device: PciAddress }[] {
  return (host.list(sysfs.class(name)) ?? []).flatMap((entry) => {
    const path = host.readLink(`${sysfs.class(name)}/${entry}`) ?? '';
    const device = path
      .split('/')
      .flatMap((part) => (part.includes(':') ? (parsePciAddress(part) ?? []) : []))
      .at(-1);
    return device === undefined ? [] : [{ name: entry, device }];
  });
}
