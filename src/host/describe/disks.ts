import type { PciAddress } from '../../pci/address.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../host.ts';
import type { WrittenDevice } from '../simulated/description-schema.ts';
import { publicMountPoint } from './privacy.ts';
import { classEntries } from './topology.ts';

type Disk = NonNullable<WrittenDevice['disk']>;

/** Volumes on volumes that are followed: a disk, LUKS, LVM and two more. */
const DEEPEST = 6;

/**
 * The disk of each PCI device: the one that is in use, when it has several. A file system on a volume (LUKS, LVM,
 * md) counts as one on the partitions that the volume is made of. Names of volumes and labels are not looked at.
 */
export function disksOf(host: Host): Map<PciAddress, Disk> {
  const uses = usesOf(host);
  const disks = new Map<PciAddress, Disk>();
  for (const { name, device, path } of classEntries(host, 'block')) {
    const disk = diskName(name);
    if (disk === undefined || isPartition(host, name)) continue;
    const partitions = (host.list(sysfs.block(disk)) ?? host.list(path) ?? []).filter((entry) =>
      isPartitionOf(entry, disk),
    );
    const own = uses(disk);
    const described: Disk = {
      name: disk,
      partitions: Object.fromEntries([
        ...(own === null ? [] : [[disk, own] as const]),
        ...partitions.map((partition) => [partition, uses(partition)] as const),
      ]),
    };
    if (!isUsed(disks.get(device))) disks.set(device, described);
  }
  return disks;
}

/** A disk as the kernel names it; the hidden path to an NVMe namespace stands for the namespace. */
function diskName(name: string): string | undefined {
  const hidden = /^nvme(\d+)c\d+n(\d+)$/.exec(name);
  if (hidden) return `nvme${hidden[1] ?? ''}n${hidden[2] ?? ''}`;
  return /^(?:nvme\d+n\d+|[sv]d[a-z]|mmcblk\d+)$/.test(name) ? name : undefined;
}

function isPartition(host: Host, name: string): boolean {
  return host.read(`${sysfs.block(name)}/partition`) !== undefined;
}

function isPartitionOf(entry: string, disk: string): boolean {
  return entry.startsWith(disk) && /^p?\d+$/.test(entry.slice(disk.length));
}

function isUsed(disk: Disk | undefined): boolean {
  return Object.values(disk?.partitions ?? {}).some((use) => use !== null);
}

/** What a disk or a partition is used for: a mount point, `swap`, or null. */
function usesOf(host: Host): (name: string) => string | null {
  const mounts = new Map<string, string>();
  for (const line of (host.read(sysfs.mounts) ?? '').split('\n')) {
    const [, , number, , point] = line.split(' ');
    if (number === undefined || point === undefined) continue;
    const place = publicMountPoint(point);
    const known = mounts.get(number);
    // Of several places the shortest says most: a file system may be bound to many.
    if (known === undefined || place.length < known.length) mounts.set(number, place);
    const [source] = line.split(' - ')[1]?.split(' ').slice(1) ?? [];
    // btrfs has device numbers of its own; what it was mounted from is a node.
    if (source?.startsWith('/dev/')) mounts.set(source, place);
  }
  const swaps = new Set(
    (host.read(sysfs.swaps) ?? '').split('\n').flatMap((line) => line.split(/\s/)[0] ?? []),
  );
  const useOf = (name: string, depth: number): string | null => {
    const number = host.read(`${sysfs.block(name)}/dev`)?.trim() ?? '';
    if (swaps.has(`/dev/${name}`)) return 'swap';
    const mounted = mounts.get(number) ?? mounts.get(`/dev/${name}`);
    if (mounted !== undefined) return mounted;
    if (depth >= DEEPEST) return null;
    for (const holder of host.list(`${sysfs.block(name)}/holders`) ?? []) {
      const use = useOf(holder, depth + 1);
      if (use !== null) return use;
    }
    return null;
  };
  return (name) => useOf(name, 0);
}
