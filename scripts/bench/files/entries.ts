import { posix } from 'node:path';
import { linkText, type Directory, type Node } from '../../../simulator/tree.ts';

/** What stands at one path of the tree of plain files. */
export type Entry =
  | { readonly kind: 'directory' }
  /** Target as readlink(2) shows it. */
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'file'; readonly content: string | Uint8Array }
  /** Its store function belongs to the simulated kernel, so no plain file can stand here. */
  | { readonly kind: 'attribute'; readonly mode: number };

/** Entries by path; a directory comes before what is in it. */
export type Entries = ReadonlyMap<string, Entry>;

/**
 * The part of a simulated machine's tree that lies below some directories, as what a file system can hold. Device nodes
 * become empty files: they are opened, and compared by name. A file that the kernel refuses to read is left out, since
 * a plain file lets itself be read.
 */
export function entriesOf(root: Directory, tops: readonly string[]): Entries {
  const entries = new Map<string, Entry>();
  for (const top of tops) {
    const names = top.split('/').filter(Boolean);
    const node = names.reduce<Node | undefined>(
      (above, name) => (above?.kind === 'directory' ? above.child(name) : undefined),
      root,
    );
    if (node) add(entries, top, node);
  }
  return entries;
}

function add(entries: Map<string, Entry>, path: string, node: Node): void {
  const entry = entryOf(path, node);
  if (!entry) return;
  entries.set(path, entry);
  if (node.kind !== 'directory') return;
  for (const name of node.names()) {
    const child = node.child(name);
    if (child) add(entries, posix.join(path, name), child);
  }
}

function entryOf(path: string, node: Node): Entry | undefined {
  switch (node.kind) {
    case 'directory':
      return { kind: 'directory' };
    case 'link':
      return { kind: 'link', target: linkText(path, node.target) };
    case 'node':
      return { kind: 'file', content: '' };
    case 'file':
      if (node.store) return { kind: 'attribute', mode: node.text ? 0o644 : 0o200 };
      try {
        return { kind: 'file', content: node.bytes?.() ?? node.text?.() ?? '' };
      } catch {
        return undefined;
      }
  }
}

/** What makes one tree into another. */
export interface Difference {
  /** Paths that go, the innermost first. */
  readonly gone: readonly string[];
  /** What comes or becomes another, a directory before what is in it. */
  readonly fresh: readonly (readonly [path: string, entry: Entry])[];
}

/** The difference between what stands there and what should. A link cannot be changed: it goes, and another comes. */
export function difference(before: Entries, after: Entries): Difference {
  const stays = (path: string, entry: Entry): boolean =>
    entry.kind === 'link' ? isSame(entry, after.get(path)) : after.get(path)?.kind === entry.kind;
  return {
    gone: [...before]
      .filter(([path, entry]) => !stays(path, entry))
      .map(([path]) => path)
      .reverse(),
    fresh: [...after].filter(([path, entry]) => !isSame(entry, before.get(path))),
  };
}

function isSame(entry: Entry, other: Entry | undefined): boolean {
  if (other?.kind !== entry.kind) return false;
  switch (entry.kind) {
    case 'directory':
      return true;
    case 'link':
      return other.kind === 'link' && other.target === entry.target;
    case 'attribute':
      return other.kind === 'attribute' && other.mode === entry.mode;
    case 'file':
      return other.kind === 'file' && Buffer.from(entry.content).equals(Buffer.from(other.content));
  }
}
