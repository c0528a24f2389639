import type { Host } from '../host/host.ts';
import { busOf, comparePciAddresses, parsePciAddress, type PciAddress } from '../pci/address.ts';
import type { PciDevice } from '../pci/device.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import { sysfs } from '../pci/sysfs.ts';
import { notAnswering } from './not-answering.ts';
import { lockedAttributes, readDevice } from './read-device.ts';

/** Which devices are read, and how long the kernel may take. */
export interface MemberOptions {
  /** Milliseconds that the kernel may take to answer. */
  readonly deadlineMs: number;
  /** Devices to leave out: an attribute of one with a stuck write would not answer. */
  readonly without?: readonly PciAddress[];
}

/** The PCI devices of some groups, in order of address, and what is in the directory of each. */
export interface Members {
  readonly devices: readonly PciDevice[];
  readonly directories: ReadonlyMap<PciAddress, readonly string[]>;
}

/**
 * Reads devices that are members of groups. Throws VH_STUCK when the kernel does not answer for one within the deadline,
 * VH_KERNEL when something that is there cannot be read.
 */
export async function readMembers(
  host: Host,
  members: readonly PciAddress[],
  { deadlineMs, without = [] }: MemberOptions,
): Promise<Members> {
  const addresses = members.filter((address) => !without.includes(address)).sort(comparePciAddresses);
  const attributes = lockedAttributes(addresses, host.list(sysfs.nvidiaCards));
  const texts = await host.readLocked(attributes, deadlineMs);
  if (texts.kind === 'stuck') throw notAnswering(texts);
  // Not before the wait for the locks: what is bound meanwhile would not be seen.
  const directories = new Map(
    addresses.flatMap((address) => {
      const names = host.list(sysfs.device(address));
      return names ? [[address, names] as const] : [];
    }),
  );
  return {
    directories,
    devices: withBuses(
      host,
      [...directories].flatMap(([address, names]) => readDevice(host, address, texts.texts, names) ?? []),
    ),
  };
}

/** Devices that can be reset, with whether others are on their bus: in whatever group, and a card's own virtual functions too. */
function withBuses(host: Host, devices: readonly PciDevice[]): readonly PciDevice[] {
  if (devices.every(({ resetMethods }) => resetMethods === undefined)) return devices;
  const all = (host.list(sysfs.devices) ?? []).flatMap((name) => parsePciAddress(name) ?? []).map(busOf);
  return devices.map((device) => {
    const onBus = all.filter((bus) => bus === busOf(device.address));
    return device.resetMethods && onBus.length > 1 ? { ...device, sharesBus: true } : device;
  });
}

/**
 * All that a way back goes by: the devices of these groups as they are, and which drivers there are. As
 * {@link readMembers}; what only a start asks about (uses, variants, VFIO itself) is not read.
 */
export async function readBindings(
  host: Host,
  groups: readonly number[],
  options: MemberOptions,
): Promise<Pick<Snapshot, 'devices' | 'drivers'>> {
  const { devices } = await readMembers(
    host,
    groups.flatMap((group) => groupMembers(host, group).addresses),
    options,
  );
  return { devices, drivers: host.list(sysfs.drivers) ?? [] };
}

/** The members of a group: PCI devices, and others by their names. */
export function groupMembers(
  host: Host,
  group: number,
): { readonly addresses: readonly PciAddress[]; readonly others: readonly string[] } {
  const names = host.list(sysfs.groupDevices(group)) ?? [];
  return {
    addresses: names.flatMap((name) => parsePciAddress(name) ?? []),
    others: names.filter((name) => parsePciAddress(name) === undefined),
  };
}
