import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../host.ts';
import { nameOfNode, numberOf, readLoops, type BlockDevices } from './block.ts';
import { parseSwaps, readFileSystems, type FileSystem } from './mounts.ts';

/** What a host does with its block devices. */
export interface Storage {
  readonly blocks: BlockDevices;
  /** Loop devices by the block device that they read. */
  readonly loops: ReadonlyMap<string, readonly string[]>;
  readonly fileSystems: readonly MountedFileSystem[];
  /** Block devices that are swap space. */
  readonly swaps: ReadonlySet<string>;
}

/** A mounted file system and the block devices that it names as its own. */
export interface MountedFileSystem extends FileSystem {
  readonly devices: ReadonlySet<string>;
}

/** Reads what is mounted and what is swap space. */
export function readStorage(host: Host, blocks: BlockDevices): Storage {
  const btrfs = readBtrfs(host);
  return {
    blocks,
    loops: readLoops(host, blocks),
    fileSystems: readFileSystems(host).map((each) => {
      const named = each.sources.flatMap(nodesIn).flatMap((node) => nameOfNode(host, blocks, node) ?? []);
      const shared = btrfs.filter((members) => named.some((name) => members.includes(name)));
      return { ...each, devices: new Set([...named, ...shared.flat()]) };
    }),
    swaps: new Set(
      parseSwaps(host.read(sysfs.swaps) ?? '').flatMap((node) => nameOfNode(host, blocks, node) ?? []),
    ),
  };
}

/** The file systems on a block device: by its number, or, for those with numbers of their own, by what they name. */
export function fileSystemsOn(host: Host, storage: Storage, name: string): MountedFileSystem[] {
  const number = numberOf(host, name);
  return storage.fileSystems.filter((each) => each.number === number || each.devices.has(name));
}

/** The mount points of a pool's datasets, whose sources are `tank` and `tank/home`. */
export function mountPointsOfPool(storage: Storage, pool: string): string[] {
  return storage.fileSystems
    .filter(({ type, sources }) => type === 'zfs' && sources.some((each) => each.split('/')[0] === pool))
    .flatMap(({ mountPoints }) => mountPoints);
}

/**
 * The ZFS pool that a block device is a member of, as udev has read it from the device. Only for words: that
 * the device is in use is what the kernel says.
 */
export function poolOf(host: Host, name: string): string | undefined {
  const number = numberOf(host, name);
  const lines = (number === undefined ? '' : (host.read(sysfs.udevBlock(number)) ?? '')).split('\n');
  if (!lines.includes('E:ID_FS_TYPE=zfs_member')) return undefined;
  return lines.find((line) => line.startsWith('E:ID_FS_LABEL='))?.slice('E:ID_FS_LABEL='.length);
}

/** Members of each btrfs file system: mountinfo names but one of them. */
function readBtrfs(host: Host): (readonly string[])[] {
  const uuids = host.list(sysfs.btrfs) ?? [];
  return uuids.flatMap((uuid) => {
    const members = host.list(`${sysfs.btrfs}/${uuid}/devices`);
    return members ? [members] : [];
  });
}

/** A source is a node, or, with bcachefs, several with colons between them. */
function nodesIn(source: string): string[] {
  const parts = source.split(':');
  return parts.every((part) => part.startsWith('/dev/')) ? parts : source.startsWith('/dev/') ? [source] : [];
}
