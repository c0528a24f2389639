import { posix } from 'node:path';
import { errnoError, type Errno } from './errno.ts';
import type { Outcome } from './work.ts';

/** An entry of the file systems below /, made on the spot from the machine's state. */
export type Node = Directory | Link | File | DeviceNode;

export interface Directory {
  readonly kind: 'directory';
  readonly names: () => string[];
  readonly child: (name: string) => Node | undefined;
}

export interface Link {
  readonly kind: 'link';
  /** Absolute; shown relative to where the link is, as sysfs stores it. */
  readonly target: string;
}

export interface File {
  readonly kind: 'file';
  /** Absent: write-only, which sysfs answers with EACCES, even for root. */
  readonly text?: () => string;
  readonly bytes?: () => Uint8Array;
  /** Lock that reading takes. */
  readonly readLock?: string;
  /** The attribute's store function; absent: read-only. */
  readonly store?: (data: string) => Outcome;
  /** The device that the attribute is of. */
  readonly uid?: number;
  /** Permissions; absent: 0644. */
  readonly mode?: number;
}

/** A device node in /dev. */
export interface DeviceNode {
  readonly kind: 'node';
  readonly open: () => 'free' | 'busy';
  /** What opening with O_EXCL comes to, for block devices; absent: free. */
  readonly claim?: () => 'free' | 'busy';
}

/** Makes each child once: a snapshot walks the same directories hundreds of times. */
function kept(make: Directory['child']): Directory['child'] {
  const made = new Map<string, Node | undefined>();
  return (name) => {
    if (!made.has(name)) made.set(name, make(name));
    return made.get(name);
  };
}

/** A directory of these entries; functions are for what costs something to make. Undefined: not there. */
export function directory(
  entries: Readonly<Record<string, Node | (() => Node | undefined) | undefined>>,
): Directory {
  return {
    kind: 'directory',
    names: () =>
      Object.entries(entries)
        .filter(([, entry]) => entry !== undefined)
        .map(([name]) => name),
    child: kept((name) => {
      const entry = Object.hasOwn(entries, name) ? entries[name] : undefined;
      return typeof entry === 'function' ? entry() : entry;
    }),
  };
}

/** A read-only file. */
export function text(content: () => string): File {
  return { kind: 'file', text: content };
}

/** A link to an absolute path. */
export function link(target: string): Link {
  return { kind: 'link', target };
}

/** How a text says that it is a link in place of a file, or a file that cannot be read. */
const LINK = '-> ';
const FAILURE = /^! (E[A-Z]+)$/;

/**
 * Directories and read-only files from their relative paths. A path that ends in `/` is an empty directory, a
 * text `-> /absolute/path` makes a link, a text `! EINVAL` a file whose read fails with that errno.
 */
export function textTree(entries: Readonly<Record<string, string>>): Directory {
  const branches = new Map<string, Record<string, string>>();
  const leaves = new Map<string, string>();
  for (const [path, content] of Object.entries(entries)) {
    const slash = path.indexOf('/');
    if (slash === -1) {
      if (path !== '') leaves.set(path, content);
      continue;
    }
    const name = path.slice(0, slash);
    branches.set(name, { ...branches.get(name), [path.slice(slash + 1)]: content });
  }
  return {
    kind: 'directory',
    names: () => [...branches.keys(), ...leaves.keys()],
    child: kept((name) => {
      const below = branches.get(name);
      if (below) return textTree(below);
      const content = leaves.get(name);
      if (content === undefined) return undefined;
      return content.startsWith(LINK) ? link(content.slice(LINK.length)) : leaf(name, content);
    }),
  };
}

function leaf(name: string, content: string): File {
  const [, errno] = FAILURE.exec(content) ?? [];
  return text(() => {
    if (errno !== undefined) throw errnoError(errno as Errno, 'read', name);
    return content;
  });
}

/** Two trees laid over each other; where both have a file, the first one's. */
export function overlay(first: Directory, second: Directory): Directory {
  return {
    kind: 'directory',
    names: () => [...new Set([...first.names(), ...second.names()])],
    child: kept((name) => {
      const a = first.child(name);
      const b = second.child(name);
      return a?.kind === 'directory' && b?.kind === 'directory' ? overlay(a, b) : (a ?? b);
    }),
  };
}

/** An entry and where it really is, with every link on the way followed. */
export interface Found {
  readonly node: Node;
  readonly path: string;
}

/** Links that are followed on the way to one entry, as many as Linux follows (MAXSYMLINKS, include/linux/namei.h). */
const MOST_LINKS = 40;

/**
 * The entry at an absolute path, every link on the way followed, and the last one when `follow` says so.
 * Undefined when there is none, or when links run in a circle.
 */
export function find(root: Directory, path: string, follow: boolean, links = 0): Found | undefined {
  if (links > MOST_LINKS) return undefined;
  const slash = path.lastIndexOf('/');
  const name = path.slice(slash + 1);
  const parent = slash <= 0 ? { node: root, path: '' } : known(root, path.slice(0, slash), links);
  if (name === '' || name === '.' || !parent) return parent;
  if (name === '..') return known(root, posix.dirname(parent.path), links);
  const node = parent.node.kind === 'directory' ? parent.node.child(name) : undefined;
  if (node?.kind === 'link' && follow) return known(root, node.target, links + 1);
  return node && { node, path: `${parent.path}/${name}` };
}

/** What was found below a root before: the same few directories are on the way to everything. */
const found = new WeakMap<Directory, Map<string, Found | undefined>>();

function known(root: Directory, path: string, links: number): Found | undefined {
  const paths = found.get(root) ?? new Map<string, Found | undefined>();
  found.set(root, paths);
  if (!paths.has(path)) paths.set(path, find(root, path, true, links));
  return paths.get(path);
}

/** A link's target as readlink(2) shows it in sysfs: relative to the directory the link is in. */
export function linkText(path: string, target: string): string {
  return posix.relative(posix.dirname(path), target);
}
