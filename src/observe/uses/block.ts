import { errnoOf } from '../../errors.ts';
import type { PciAddress } from '../../pci/address.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../../host/host.ts';

/** Every block device of a host. What is read of one is read once, when it is first asked for. */
export interface BlockDevices {
  /** Their real paths in sysfs by name (`nvme0n1p3`, `dm-0`). */
  readonly paths: ReadonlyMap<string, string>;
  /** Partitions are directories below their disk. */
  partitionsOf(disk: string): readonly string[];
  /** What is made of a block device by drivers that link it: device mapper, md, bcache, DRBD (block/holder.c). */
  holdersOf(name: string): readonly string[];
  /** Device number, `major:minor`; a hidden disk has none. */
  numberOf(name: string): string | undefined;
  /** The devices that have a number: one, or none. */
  withNumber(number: string): readonly string[];
  /** The device that device mapper has under a name. */
  mapped(name: string): string | undefined;
}

/** The path that a controller has to a namespace of several controllers (drivers/nvme/host/multipath.c). */
const HIDDEN_PATH = /^nvme(\d+)c\d+n(\d+)$/;

/** Reads which block devices there are: disks, partitions, and what is made of them. */
export function readBlockDevices(host: Host): BlockDevices {
  const names = host.list(sysfs.blocks) ?? [];
  const paths = new Map(
    names.flatMap((name) => {
      const target = host.readLink(sysfs.block(name));
      return target === undefined ? [] : [[name, target.replace(/^(?:\.\.\/)+/, '/')] as const];
    }),
  );
  const partitions = grouped([...paths.keys()], (name) => parentOf(paths, name));
  const numberOf = remembered((name) => host.read(sysfs.blockAttribute(name, 'dev'))?.trim());
  const holdersOf = remembered((name) =>
    [...(host.list(sysfs.blockAttribute(name, 'holders')) ?? [])].sort(byName),
  );
  let byNumber: ReadonlyMap<string, readonly string[]> | undefined;
  let mappings: ReadonlyMap<string, string> | undefined;
  return {
    paths,
    partitionsOf: (disk) => partitions.get(disk) ?? [],
    holdersOf,
    numberOf,
    withNumber: (number) => (byNumber ??= grouped([...paths.keys()], numberOf)).get(number) ?? [],
    mapped: (name) => (mappings ??= readMappings(host, [...paths.keys()])).get(name),
  };
}

/** What `look` said of a name the first time. */
function remembered<T>(look: (name: string) => T): (name: string) => T {
  const known = new Map<string, { readonly answer: T }>();
  return (name) => {
    const before = known.get(name) ?? { answer: look(name) };
    known.set(name, before);
    return before.answer;
  };
}

/** Names by what `key` says of each, those without a key left out. */
function grouped(
  names: readonly string[],
  key: (name: string) => string | undefined,
): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const name of [...names].sort(byName)) {
    const group = key(name);
    if (group === undefined) continue;
    const known = groups.get(group) ?? [];
    known.push(name);
    groups.set(group, known);
  }
  return groups;
}

/** The devices of device mapper by their names, of which there are no two (drivers/md/dm-ioctl.c:dm_hash_insert). */
function readMappings(host: Host, names: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    names.flatMap((name) => {
      if (!name.startsWith('dm-')) return [];
      const known = host.read(sysfs.blockAttribute(name, 'dm/name'))?.trimEnd();
      return known === undefined ? [] : [[known, name] as const];
    }),
  );
}

/** A whole disk with its partitions. */
export interface Disk {
  readonly name: string;
  readonly partitions: readonly string[];
}

/** The disks that hang on a PCI device, by name. */
export function disksBehind(host: Host, blocks: BlockDevices, address: PciAddress): Disk[] {
  const { paths } = blocks;
  const own = [...paths].filter(([, path]) => path.includes(`/${address}/`)).map(([name]) => name);
  const disks = [
    ...own.filter((name) => !HIDDEN_PATH.test(name) && parentOf(paths, name) === undefined),
    ...namespacesBehind(host, blocks, address),
  ];
  return disks.sort(byName).map((name) => ({ name, partitions: blocks.partitionsOf(name) }));
}

/**
 * With multipath a namespace is no child of its controllers but of the NVM subsystem. A controller that reaches
 * it has a hidden disk, nvme0c1n2 for nvme0n2. Where none has, it is counted to each controller of the subsystem.
 */
function namespacesBehind(host: Host, { paths: blocks }: BlockDevices, address: PciAddress): string[] {
  const paths = [...blocks].flatMap(([name, path]) => {
    const match = HIDDEN_PATH.exec(name);
    return match ? [{ head: `nvme${match[1] ?? ''}n${match[2] ?? ''}`, path }] : [];
  });
  return [...blocks].flatMap(([name, path]) => {
    const subsystem = /\/nvme-subsystem\/([^/]+)\/[^/]+$/.exec(path)?.[1];
    if (subsystem === undefined) return [];
    const known = paths.filter(({ head }) => head === name).map((each) => each.path);
    const controllers = known.length > 0 ? known : controllersOf(host, subsystem);
    return controllers.some((each) => each.includes(`/${address}/`)) ? [name] : [];
  });
}

function controllersOf(host: Host, subsystem: string): string[] {
  const directory = `${sysfs.nvmeSubsystems}/${subsystem}`;
  const names = (host.list(directory) ?? []).filter((name) => /^nvme\d+$/.test(name));
  return names.map((name) => host.readLink(`${directory}/${name}`) ?? '');
}

/**
 * Loop devices by the disk or partition that they read. The loop driver does not claim it, so that it could
 * still be opened exclusively.
 */
export function readLoops(host: Host, blocks: BlockDevices): ReadonlyMap<string, readonly string[]> {
  const loops = new Map<string, string[]>();
  for (const loop of [...blocks.paths.keys()].filter((name) => /^loop\d+$/.test(name)).sort(byName)) {
    const file = host.read(sysfs.blockAttribute(loop, 'loop/backing_file'))?.trimEnd();
    const backing = file === undefined ? undefined : nameOfNode(host, blocks, file);
    if (backing !== undefined) loops.set(backing, [...(loops.get(backing) ?? []), loop]);
  }
  return loops;
}

/** The name of the block device behind a node: `dm-1` for /dev/mapper/vg0-home. Undefined when it is none. */
export function nameOfNode(host: Host, blocks: BlockDevices, path: string): string | undefined {
  let node = path;
  // As many links as the kernel follows.
  for (let links = 0; links <= 40 && node.startsWith('/dev/'); links += 1) {
    const name = node.slice('/dev/'.length).replaceAll('/', '!');
    if (blocks.paths.has(name)) return name;
    const mapped = /^\/dev\/mapper\/(.+)$/.exec(node)?.[1];
    const byMap = mapped === undefined ? undefined : nameOfMapping(blocks, mapped);
    if (byMap !== undefined) return byMap;
    const target = linkTarget(host, node);
    if (target === undefined) return undefined;
    node = target.startsWith('/') ? target : join(node, target);
  }
  return undefined;
}

/** Undefined also for a node of its own, which readlink(2) calls EINVAL. */
function linkTarget(host: Host, path: string): string | undefined {
  try {
    return host.readLink(path);
  } catch (error) {
    if (errnoOf(error) === 'EINVAL') return undefined;
    throw error;
  }
}

/** /dev/mapper may have a node of its own in place of a link, and udev writes odd characters as \xHH there. */
function nameOfMapping(blocks: BlockDevices, node: string): string | undefined {
  const mapped = node.replace(/\\x([0-9a-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(parseInt(digits, 16)),
  );
  return blocks.mapped(mapped) ?? blocks.mapped(node);
}

function parentOf(paths: BlockDevices['paths'], name: string): string | undefined {
  const parent = paths.get(name)?.split('/').at(-2);
  return parent !== undefined && paths.has(parent) ? parent : undefined;
}

/** The path that a relative link leads to. */
function join(link: string, target: string): string {
  const parts = link.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.' && part !== '') parts.push(part);
  }
  return parts.join('/');
}

/** sda before sdb, sdz before sdaa, p2 before p10: in the kernel's names a shorter one comes first. */
function byName(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}
