import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../../host/host.ts';
import { unescapeMountText, type FileSystem } from './mounts.ts';

/**
 * Where a running system has what it cannot go on without: programs, libraries, the state of its services. `/sysroot`
 * is the true root of OSTree, whose `/` is made of it. `/boot` is not among them: nothing runs from it.
 */
const SYSTEM = ['/', '/usr', '/etc', '/var', '/nix', '/nix/store', '/gnu/store', '/sysroot'];

/** Where live systems keep the medium that they were started from, when `/` is an overlay. */
const LIVE_MEDIA = [
  '/cdrom',
  '/run/live/medium',
  '/usr/lib/live/mount/medium',
  '/run/initramfs/live',
  '/run/archiso/bootmnt',
];

/**
 * The places of the running system that are on each file system, by its device number: those where it is mounted,
 * and those that are made of it: an overlay of its directories, or an image in one of its files. `below` tells the
 * image files that a file system's block device is made of.
 */
export function systemPlaces(
  fileSystems: readonly FileSystem[],
  below: (fileSystem: FileSystem) => readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const places = new Map<string, Set<string>>();
  const next = fileSystems.flatMap((each) => {
    const own = each.mountPoints.filter((point) => SYSTEM.includes(point));
    return own.map((place) => ({ each, place }));
  });
  for (let at = next.shift(); at; at = next.shift()) {
    const { each, place } = at;
    const known = places.get(each.number) ?? new Set();
    if (known.has(place)) continue;
    places.set(each.number, known.add(place));
    for (const path of [...layersOf(each), ...below(each)]) {
      const under = fileSystemOf(fileSystems, path);
      if (under) next.push({ each: under, place });
    }
  }
  return new Map([...places].map(([number, found]) => [number, [...found]]));
}

/**
 * The directories of an overlay (fs/overlayfs/params.c:ovl_show_options), as they were named when it was mounted: in
 * the initramfs, mostly with the names that they have later. For `/` the media of live systems count besides.
 */
function layersOf({ type, options, mountPoints }: FileSystem): string[] {
  if (type !== 'overlay') return [];
  const directories = options
    .split(',')
    .map((option) => /^(?:lowerdir\+?|datadir\+|upperdir)=(.*)$/.exec(option)?.[1] ?? '')
    .flatMap((value) => unescapeMountText(value).split(/(?<!\\):+/))
    .map((path) => path.replace(/\\(.)/g, '$1'));
  return [...directories, ...(mountPoints.includes('/') ? LIVE_MEDIA : [])].filter((path) =>
    path.startsWith('/'),
  );
}

/** The file system that a path is on: the one with the longest mount point above it. */
function fileSystemOf(fileSystems: readonly FileSystem[], path: string): FileSystem | undefined {
  let best: { readonly each: FileSystem; readonly point: string } | undefined;
  for (const each of fileSystems) {
    for (const point of each.mountPoints) {
      const isAbove = point === '/' || path === point || path.startsWith(`${point}/`);
      if (isAbove && point.length >= (best?.point.length ?? 0)) best = { each, point };
    }
  }
  return best?.each;
}

/** The image files that a block device is made of, through loop devices at whatever depth below it. */
export function imagesBelow(host: Host, name: string, seen = new Set<string>()): string[] {
  if (seen.has(name)) return [];
  seen.add(name);
  const disk = /^(loop\d+)p\d+$/.exec(name)?.[1] ?? name;
  const file = host.read(sysfs.blockAttribute(disk, 'loop/backing_file'))?.trimEnd();
  if (file !== undefined) return file.startsWith('/dev/') ? [] : [file];
  return (host.list(sysfs.blockAttribute(name, 'slaves')) ?? []).flatMap((slave) =>
    imagesBelow(host, slave, seen),
  );
}
