import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../../host/host.ts';

/** One line of a mount table. */
export interface Mount {
  /** Device number of the file system, `major:minor`; btrfs, ZFS and others have one of their own, with major 0. */
  readonly number: string;
  readonly mountPoint: string;
  readonly type: string;
  /** What was mounted, as the file system says it: mostly the path of a node. */
  readonly source: string;
  /** What the file system says of itself, with commas between and escaped as it is there: for an overlay its layers. */
  readonly options: string;
}

/** A file system and every place where it is mounted, in the order of the table. */
export interface FileSystem {
  readonly number: string;
  readonly type: string;
  readonly sources: readonly string[];
  readonly mountPoints: readonly string[];
  readonly options: string;
}

/** The lines of a mountinfo file (Documentation/filesystems/proc.rst, section 3.5); malformed ones are passed over. */
export function parseMountinfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    // Between the options and the dash is any number of optional fields.
    const dash = fields.indexOf('-', 6);
    const [, , number, , mountPoint] = fields;
    const [type, source, options] = fields.slice(dash + 1);
    if (dash === -1 || mountPoint === undefined || !/^\d+:\d+$/.test(number ?? '')) return [];
    return {
      number: number ?? '',
      mountPoint: unescapeMountText(mountPoint),
      type: unescapeMountText(type ?? ''),
      source: unescapeMountText(source ?? ''),
      options: options ?? '',
    };
  });
}

/**
 * The nodes that the host swaps to, of /proc/swaps. Files are left out, since their file systems are mounted;
 * so are nodes that are gone: what has the same name now is another device.
 */
export function parseSwaps(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', type] = line.split(/\s+/);
    const path = unescapeMountText(name);
    return type === 'partition' && !path.endsWith(' (deleted)') ? path : [];
  });
}

/** Every file system that this process or the host's first one sees. */
export function readFileSystems(host: Host): FileSystem[] {
  const found = new Map<
    string,
    { type: string; options: string; sources: Set<string>; mountPoints: Set<string> }
  >();
  for (const table of sysfs.mountTables) {
    for (const { number, type, source, mountPoint, options } of parseMountinfo(readIfAllowed(host, table))) {
      const known = found.get(number) ?? { type, options, sources: new Set(), mountPoints: new Set() };
      found.set(number, known);
      known.sources.add(source);
      known.mountPoints.add(mountPoint);
    }
  }
  return [...found].map(([number, { type, options, sources, mountPoints }]) => ({
    number,
    type,
    options,
    sources: [...sources],
    mountPoints: [...mountPoints],
  }));
}

/** A table that may not be read counts as empty: that a disk is claimed shows when it is opened exclusively. */
function readIfAllowed(host: Host, path: string): string {
  try {
    return host.read(path) ?? '';
  } catch {
    return '';
  }
}

/** Blanks, backslashes and number signs are written as three octal digits (fs/proc_namespace.c, lib/string_helpers.c). */
export function unescapeMountText(text: string): string {
  return text.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
