import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../../host/host.ts';
import type { Disk } from './block.ts';
import type { OpenExclusively } from './openings.ts';
import { fileSystemsOfPool, fileSystemsOn, poolOf, systemOnUnknownPools, type Storage } from './storage.ts';

/** A mounted file system. */
export interface Mounted {
  readonly kind: 'mounted';
  /** The same for every way that leads to the same file system. */
  readonly key: string;
  /** Block devices on the way, from the disk or partition upwards. */
  readonly chain: readonly string[];
  readonly mountPoints: readonly string[];
  /** Places of the running system that are on it, also by way of an overlay or an image. */
  readonly systemPlaces: readonly string[];
  readonly type: string;
  /** How many block devices the file system is on; absent for one, and for ZFS. */
  readonly members?: number;
  readonly pool?: string;
}

/** Swap space. */
export interface Swap {
  readonly kind: 'swap';
  /** The block device that is the swap space. */
  readonly key: string;
  readonly chain: readonly string[];
}

/** Something has it, and no mount and no swap space says what for. */
export interface Claimed {
  readonly kind: 'claimed';
  /** Block devices that are made of it. */
  readonly layers: readonly string[];
  /** What opening the uppermost of them exclusively came to, or it itself when there are none. */
  readonly answer: 'free' | 'busy' | 'denied';
  readonly pool?: string;
  /** Places of the running system that may be on it: a disk of theirs is not known. */
  readonly systemPlaces: readonly string[];
}

/** What following the devices above a disk or a partition upwards has led to. */
export type Finding = Mounted | Swap | Claimed;

/** A finding and the disk or partition from which it was reached. */
export interface Found {
  readonly base: string;
  readonly finding: Finding;
}

/**
 * Everything that a disk and its partitions are used for; empty when the host can do without the disk.
 * Who claims a partition claims the disk along with it, and the other way round: only what nothing known
 * explains is opened exclusively.
 */
export function followDisk(host: Host, storage: Storage, disk: Disk, open: OpenExclusively): Found[] {
  const find = (base: string, ask: boolean): Found[] =>
    follow(host, storage, { base, ask, open }).map((finding) => ({ base, finding }));
  const own = find(disk.name, false);
  const ofPartitions = disk.partitions.flatMap((partition) => find(partition, own.length === 0));
  if (own.length > 0 || ofPartitions.length > 0) return [...own, ...ofPartitions];
  return find(disk.name, true);
}

/** A block device and those that lead up to it from the disk, itself at the end; empty for the disk or partition. */
interface Reached {
  readonly name: string;
  readonly chain: readonly string[];
  /** What is made of it. */
  readonly above: readonly string[];
}

/** `ask`: whether a disk or partition of which nothing is known is opened exclusively. */
function follow(
  host: Host,
  storage: Storage,
  { base, ask, open }: { readonly base: string; readonly ask: boolean; readonly open: OpenExclusively },
): Finding[] {
  const reached = climb(storage, base);
  const uses = reached.flatMap((each) => usesOf(storage, each));
  if (uses.length > 0) return uses;
  const layers = reached.slice(1).map(({ name }) => name);
  if (layers.length === 0 && !ask) return [];
  const tops = reached.filter(({ above }) => above.length === 0);
  const answers = tops.map((top) => ({ top, answer: open(sysfs.node(top.name)) }));
  const taken =
    answers.find(({ answer }) => answer === 'busy') ?? answers.find(({ answer }) => answer === 'denied');
  if (layers.length === 0 && !taken) return [];
  const pool = taken && poolOf(host, storage, taken.top.name);
  const datasets = pool === undefined ? [] : fileSystemsOfPool(storage, pool);
  if (taken && pool !== undefined && datasets.length > 0) {
    const mountPoints = datasets.flatMap((each) => each.mountPoints);
    const system = datasets.flatMap((each) => each.systemPlaces);
    const { chain } = taken.top;
    return [
      { kind: 'mounted', key: `pool ${pool}`, chain, mountPoints, systemPlaces: system, type: 'zfs', pool },
    ];
  }
  const answer = taken?.answer === 'busy' ? 'busy' : taken ? 'denied' : 'free';
  const maySystem = taken && pool === undefined ? systemOnUnknownPools(host, storage) : [];
  return [{ kind: 'claimed', layers, answer, systemPlaces: maySystem, ...(pool !== undefined && { pool }) }];
}

/** A disk or partition and everything above it, each once and by the shortest way: what is lower comes first. */
function climb(storage: Storage, base: string): Reached[] {
  const reached: Reached[] = [];
  const seen = new Set([base]);
  const next: Omit<Reached, 'above'>[] = [{ name: base, chain: [] }];
  for (let at = next.shift(); at; at = next.shift()) {
    const { name, chain } = at;
    const above = devicesAbove(storage, name, base);
    reached.push({ name, chain, above });
    for (const each of above.filter((one) => !seen.has(one))) {
      seen.add(each);
      next.push({ name: each, chain: [...chain, each] });
    }
  }
  return reached;
}

/** The partitions of a disk are looked at on their own; those of an md array are reached through it. */
function devicesAbove({ blocks, loops }: Storage, name: string, base: string): string[] {
  return [
    ...(name === base ? [] : blocks.partitionsOf(name)),
    ...blocks.holdersOf(name),
    ...(loops.get(name) ?? []),
  ];
}

function usesOf(storage: Storage, { name, chain }: Reached): Finding[] {
  const mounted = fileSystemsOn(storage, name).map(
    ({ number, type, mountPoints, systemPlaces, devices }): Finding => ({
      kind: 'mounted',
      key: number,
      chain,
      type,
      mountPoints,
      systemPlaces,
      ...(devices.size > 1 && { members: devices.size }),
    }),
  );
  return storage.swaps.has(name) ? [...mounted, { kind: 'swap', key: name, chain }] : mounted;
}
