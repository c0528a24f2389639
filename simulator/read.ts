import { errnoError } from './errno.ts';
import type { MachineState } from './state.ts';
import type { FileStatus } from '../src/host/host.ts';
import { factsOf, simulatedStatus } from './file-status.ts';
import { find, linkText, type Directory, type File } from './tree.ts';
import { rootDirectory } from './view-system.ts';

/** The trees of states that are looked at: a stored state never changes, every change makes a new one. */
const trees = new WeakMap<MachineState, Directory>();

function treeOf(state: MachineState): Directory {
  const tree = trees.get(state) ?? rootDirectory(state);
  trees.set(state, tree);
  return tree;
}

/** What reading an attribute comes to: its text, not there, or waiting for a lock. */
export type ReadResult =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'blocked'; readonly by: string };

/**
 * Reads a text file. Throws an errno error where the kernel refuses: EACCES for a write-only attribute,
 * EISDIR for a directory.
 */
export function readText(state: MachineState, path: string): ReadResult {
  const file = openFile(state, path);
  if (!file) return { kind: 'absent' };
  if (file.readLock !== undefined && state.locks[file.readLock]) {
    return { kind: 'blocked', by: file.readLock };
  }
  if (!file.text) throw errnoError('EACCES', 'open', path);
  return { kind: 'text', text: file.text() };
}

/** The first bytes of a file; undefined when it is not there. Throws as {@link readText}. */
export function readBytes(state: MachineState, path: string, length: number): Uint8Array | undefined {
  const file = openFile(state, path);
  if (!file) return undefined;
  if (file.bytes) return file.bytes().slice(0, length);
  if (!file.text) throw errnoError('EACCES', 'open', path);
  return new TextEncoder().encode(file.text()).slice(0, length);
}

/** A link's target as stored, relative in sysfs; undefined when there is no such link. */
export function readLinkText(state: MachineState, path: string): string | undefined {
  const found = find(treeOf(state), path, false);
  return found?.node.kind === 'link' ? linkText(found.path, found.node.target) : undefined;
}

/** Names in a directory, sorted; undefined when there is no such directory. */
export function listNames(state: MachineState, path: string): string[] | undefined {
  const found = find(treeOf(state), path, true);
  return found?.node.kind === 'directory' ? found.node.names().sort() : undefined;
}

/** What lstat(2) says; undefined when there is no such file. */
export function readStatus(state: MachineState, path: string): FileStatus | undefined {
  const found = find(treeOf(state), path, false);
  return found && simulatedStatus(state, found);
}

/** The SELinux label of a file, links followed. */
export function readLabel(state: MachineState, path: string): string | undefined {
  const found = find(treeOf(state), path, true);
  return found && factsOf(state, found.path).label;
}

/** Opens a device node and closes it. */
export function tryNode(state: MachineState, path: string): 'free' | 'busy' | 'absent' {
  const found = find(treeOf(state), path, true);
  if (!found) return 'absent';
  return found.node.kind === 'node' ? found.node.open() : 'free';
}

/** Opens a device node exclusively and closes it. */
export function claimNode(state: MachineState, path: string): 'free' | 'busy' | 'absent' {
  const found = find(treeOf(state), path, true);
  if (found?.node.kind !== 'node') return found ? 'free' : 'absent';
  return found.node.claim?.() ?? 'free';
}

function openFile(state: MachineState, path: string): File | undefined {
  const found = find(treeOf(state), path, true);
  if (!found) return undefined;
  if (found.node.kind === 'directory') throw errnoError('EISDIR', 'read', path);
  if (found.node.kind !== 'file') throw errnoError('ENXIO', 'read', path);
  return found.node;
}
