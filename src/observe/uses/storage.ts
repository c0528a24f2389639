import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../../host/host.ts';
import { nameOfNode, readLoops, type BlockDevices } from './block.ts';
import { parseSwaps, readFileSystems, type FileSystem } from './mounts.ts';
import { imagesBelow, systemPlaces } from './system-places.ts';

/** What a host does with its block devices. */
export interface Storage {
  readonly blocks: BlockDevices;
  /** Loop devices by the block device that they read. */
  readonly loops: ReadonlyMap<string, readonly string[]>;
  readonly fileSystems: readonly MountedFileSystem[];
  /** The same by their numbers, and by the names of the block devices that they name as their own. */
  readonly mounted: ReadonlyMap<string, readonly MountedFileSystem[]>;
  /** Block devices that are swap space. */
  readonly swaps: ReadonlySet<string>;
}

/** A mounted file system and the block devices that it names as its own. */
export interface MountedFileSystem extends FileSystem {
  readonly devices: ReadonlySet<string>;
  /** Places of the running system that are on it; empty for one that the system can do without. */
  readonly systemPlaces: readonly string[];
}

/** Reads what is mounted and what is swap space. */
export function readStorage(host: Host, blocks: BlockDevices): Storage {
  const fileSystems = readMounted(host, blocks);
  return {
    blocks,
    loops: readLoops(host, blocks),
    fileSystems,
    mounted: byNumberAndDevice(fileSystems),
    swaps: new Set(
      parseSwaps(host.read(sysfs.swaps) ?? '').flatMap((node) => nameOfNode(host, blocks, node) ?? []),
    ),
  };
}

function readMounted(host: Host, blocks: BlockDevices): MountedFileSystem[] {
  const btrfs = readBtrfs(host);
  const found = readFileSystems(host).map((each) => {
    const named = each.sources.flatMap(nodesIn).flatMap((node) => nameOfNode(host, blocks, node) ?? []);
    const shared = btrfs.filter((members) => named.some((name) => members.includes(name)));
    return { ...each, devices: new Set([...named, ...shared.flat()]) };
  });
  const places = systemPlaces(found, ({ number }) =>
    blocks.withNumber(number).flatMap((name) => imagesBelow(host, name)),
  );
  return found.map((each) => ({ ...each, systemPlaces: places.get(each.number) ?? [] }));
}

function byNumberAndDevice(
  fileSystems: readonly MountedFileSystem[],
): ReadonlyMap<string, readonly MountedFileSystem[]> {
  const found = new Map<string, MountedFileSystem[]>();
  for (const each of fileSystems) {
    for (const key of [each.number, ...each.devices]) {
      const known = found.get(key) ?? [];
      known.push(each);
      found.set(key, known);
    }
  }
  return found;
}

/** The file systems on a block device: by its number, or, for those with numbers of their own, by what they name. */
export function fileSystemsOn(storage: Storage, name: string): readonly MountedFileSystem[] {
  const { blocks, mounted, fileSystems } = storage;
  const found = new Set([...(mounted.get(blocks.numberOf(name) ?? '') ?? []), ...(mounted.get(name) ?? [])]);
  return found.size < 2 ? [...found] : fileSystems.filter((each) => found.has(each));
}

/** The datasets of a pool that are mounted; their sources are `tank` and `tank/home`. */
export function fileSystemsOfPool(storage: Storage, pool: string): MountedFileSystem[] {
  return storage.fileSystems.filter(
    ({ type, sources }) => type === 'zfs' && sources.some((each) => each.split('/')[0] === pool),
  );
}

/** What of the running system is on pools of ZFS whose disks nobody knows, as where udev does not run. */
export function systemOnUnknownPools(host: Host, storage: Storage): string[] {
  const system = storage.fileSystems.filter((each) => each.type === 'zfs' && each.systemPlaces.length > 0);
  if (system.length === 0) return [];
  const known = new Set([...storage.blocks.paths.keys()].map((name) => poolOf(host, storage, name)));
  return system
    .filter(({ sources }) => sources.every((each) => !known.has(each.split('/')[0])))
    .flatMap((each) => each.systemPlaces);
}

/**
 * The ZFS pool that a block device is a member of, as udev has read it from the device. Only for words: that
 * the device is in use is what the kernel says.
 */
export function poolOf(host: Host, { blocks }: Pick<Storage, 'blocks'>, name: string): string | undefined {
  const number = blocks.numberOf(name);
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
