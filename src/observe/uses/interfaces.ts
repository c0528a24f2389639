import { parsePciAddress, type PciAddress } from '../../pci/address.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../../host/host.ts';

/** The network interfaces of the host by name. */
export type Interfaces = ReadonlyMap<string, NetworkInterface>;

export interface NetworkInterface {
  /** The function that it belongs to; absent for a virtual one, and for one of a device that nobody asked for. */
  readonly device?: PciAddress;
  /** Names of the interfaces that it is on. */
  readonly lower: readonly string[];
}

/** Reads the interfaces, when one of them belongs to one of these devices; undefined otherwise. */
export function readInterfaces(host: Host, devices: ReadonlySet<PciAddress>): Interfaces | undefined {
  if (devices.size === 0) return undefined;
  const owners = (host.list(sysfs.networkInterfaces) ?? [])
    // A file among links (drivers/net/bonding/bond_sysfs.c).
    .filter((name) => name !== 'bonding_masters')
    .map((name) => ({ name, device: lastFunction(host.readLink(sysfs.networkInterface(name)) ?? '') }));
  if (!owners.some(({ device }) => device && devices.has(device))) return undefined;
  return new Map(
    owners.map(({ name, device }) => [
      name,
      {
        ...(device && devices.has(device) && { device }),
        lower: (host.list(sysfs.networkInterface(name)) ?? []).flatMap((entry) =>
          entry.startsWith('lower_') ? [entry.slice('lower_'.length)] : [],
        ),
      },
    ]),
  );
}

/** The functions that an interface is on, at whatever depth, each with the name of its own interface. */
export function functionsBelow(
  interfaces: Interfaces,
  name: string,
  seen = new Set<string>(),
): Map<PciAddress, string> {
  const found = new Map<PciAddress, string>();
  const known = interfaces.get(name);
  if (!known || seen.has(name)) return found;
  seen.add(name);
  if (known.device) found.set(known.device, name);
  for (const lower of known.lower) {
    for (const [device, physical] of functionsBelow(interfaces, lower, seen)) found.set(device, physical);
  }
  return found;
}

/**
 * The PCI function that a device is, or is on: the last address in its path in /sys/devices. A virtio or USB
 * network interface has further directories behind the address of its function or controller.
 */
export function lastFunction(path: string): PciAddress | undefined {
  return path
    .split('/')
    .reverse()
    .map((part) => parsePciAddress(part))
    .find((address) => address !== undefined);
}
