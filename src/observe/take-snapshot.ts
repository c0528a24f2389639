import { advice } from '../hint.ts';
import { VfioHookError } from '../errors.ts';
import type { PciAddress } from '../pci/address.ts';
import type { IommuGroup } from '../pci/device.ts';
import { bestVfioAlias, parseVfioAliases, type VfioAlias } from '../pci/modalias.ts';
import type { PciDevice } from '../pci/device.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import { sysfs } from '../pci/sysfs.ts';
import { describeHolders } from './describe-holders.ts';
import type { Host } from '../host/host.ts';
import { kernelRelease } from './kernel-release.ts';
import { knownDrivers } from './known-drivers.ts';
import { groupOf } from './read-device.ts';
import { groupMembers, readMembers, type MemberOptions } from './read-members.ts';
import { silentDevices } from './silent-devices.ts';
import { readVfioState } from './vfio-state.ts';
import { readUses } from './uses/uses.ts';

/**
 * The IOMMU group of each device, as numbers in ascending order, each once.
 * Throws VH_NO_DEVICE for an address that the host does not have, VH_NO_IOMMU for a device without a group.
 */
export function groupsOf(host: Host, addresses: readonly PciAddress[]): number[] {
  const groups = new Set<number>();
  for (const address of addresses) {
    const number = groupOf(host, address);
    if (number === undefined && host.list(sysfs.device(address)) === undefined) throw noDevice(address);
    if (number === undefined) throw noGroup(host, address);
    groups.add(number);
  }
  return [...groups].sort((a, b) => a - b);
}

/** The error of an address that the host does not have. */
export function noDevice(address: PciAddress): VfioHookError {
  return new VfioHookError('VH_NO_DEVICE', `there is no PCI device ${address} on this host`, {
    device: address,
    hints: [
      advice('compare with lspci -D; addresses change when cards are added or firmware settings are changed'),
    ],
  });
}

/** As {@link groupsOf}, for the devices that are there; those that are gone are passed over. */
export function presentGroups(host: Host, addresses: readonly PciAddress[]): number[] {
  return groupsOf(
    host,
    addresses.filter((address) => groupOf(host, address) !== undefined),
  );
}

/** The number of every IOMMU group, ascending; none where the IOMMU is off. A mediated device's group has no PCI member. */
export function allGroups(host: Host): number[] {
  return (host.list(sysfs.groups) ?? [])
    .map(Number)
    .filter(Number.isInteger)
    .sort((a, b) => a - b);
}

/** The error of a host without any group. */
export function iommuOff(): VfioHookError {
  return new VfioHookError('VH_NO_IOMMU', 'this host has no IOMMU groups: the IOMMU is off', {
    hints: IOMMU_OFF,
  });
}

const IOMMU_OFF = [
  advice(
    'turn on VT-d (Intel) or AMD-Vi/IOMMU (AMD) in the firmware setup; on Intel add intel_iommu=on to the kernel command line, on AMD see that amd_iommu=off is not there',
  ),
];

function noGroup(host: Host, address: PciAddress): VfioHookError {
  const anyGroup = (host.list(sysfs.groups) ?? []).length > 0;
  return new VfioHookError(
    'VH_NO_IOMMU',
    anyGroup
      ? `${address} has no IOMMU group, so it cannot be given to a guest`
      : `${address} cannot be given to a guest: the IOMMU is off`,
    {
      device: address,
      hints: anyGroup ? [advice('the device is not behind an IOMMU of this board')] : IOMMU_OFF,
    },
  );
}

/** How a snapshot is taken. */
export interface SnapshotOptions extends MemberOptions {
  /** `unread`: not what the host needs the devices for. */
  readonly uses?: 'unread';
  /** Drivers that somebody asks for by name. */
  readonly drivers?: readonly string[];
  /** Devices to ask whether they answer at all: reading wakes a card. Left out are those of a group that is open. */
  readonly ask?: readonly PciAddress[];
}

/**
 * Reads everything that a plan for these groups may need. Nothing is changed.
 * Throws VH_STUCK when the kernel does not answer for a device within the deadline, VH_KERNEL when something that is
 * there cannot be read.
 */
export async function takeSnapshot(
  host: Host,
  groups: readonly number[],
  options: SnapshotOptions,
): Promise<Snapshot> {
  const { deadlineMs } = options;
  const read = groups.map((number) => readGroup(host, number));
  const addresses = read.flatMap(({ members }) => members);
  const { devices, directories } = await readMembers(host, addresses, options);
  const open = new Set(read.flatMap((group) => (group.open ? group.members : [])));
  const silent = await silentDevices(
    host,
    [...directories.keys()].filter((address) => options.ask?.includes(address) && !open.has(address)),
    deadlineMs,
  );
  const release = kernelRelease(host);
  const drivers = host.list(sysfs.drivers) ?? [];
  const variants = variantsFor(host, release, devices);
  const libvirtVersion = variants.length > 0 ? installedLibvirt(host) : undefined;
  return {
    kernelRelease: release,
    groups: read,
    devices,
    drivers,
    uses: options.uses === 'unread' ? [] : await readUses(host, devices, deadlineMs, directories),
    variants,
    asked: knownDrivers(host, options.drivers ?? []),
    vfio: readVfioState(host, release, drivers),
    silent,
    ...(libvirtVersion !== undefined && { libvirtVersion }),
  };
}

function readGroup(host: Host, number: number): IommuGroup {
  const { addresses, others } = groupMembers(host, number);
  const type = host.read(sysfs.groupType(number))?.trim();
  const node = sysfs.vfioGroup(number);
  const open = host.tryOpen(node) === 'busy';
  const holders = open ? host.holders([node]) : [];
  return {
    number,
    ...(type !== undefined && { type }),
    members: addresses,
    otherMembers: others,
    open,
    ...(holders.length > 0 && { openBy: describeHolders(holders) }),
  };
}

/** Only what serves one of the devices: the general vfio-pci needs no alias. */
function variantsFor(host: Host, release: string, devices: readonly PciDevice[]): VfioAlias[] {
  const lines = host.read(sysfs.modulesAlias(release), { linesWith: 'alias vfio_pci:' });
  const aliases = parseVfioAliases(lines ?? '');
  const best = devices.map((device) => bestVfioAlias(device.modalias, aliases));
  return aliases.filter((alias) => alias.module !== 'vfio_pci' && best.includes(alias));
}

/**
 * The version of libvirt that is installed, from the name of its library: libvirt.so.0.11003.0 is 11.3.0
 * (libvirt's meson.build: 1000 * major + minor). No libvirt program is run and nothing is asked of a daemon.
 */
export function installedLibvirt(host: Host): string | undefined {
  for (const directory of sysfs.libraries) {
    const name = host.readLink(`${directory}/libvirt.so.0`)?.split('/').pop();
    const match = /^libvirt\.so\.0\.(\d+)\.(\d+)$/.exec(name ?? '');
    if (match) return `${Math.floor(Number(match[1]) / 1000)}.${Number(match[1]) % 1000}.${match[2] ?? '0'}`;
  }
  return undefined;
}
