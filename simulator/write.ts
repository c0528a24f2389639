import { posix } from 'node:path';
import type { MachineState } from './state.ts';
import { find, type File } from './tree.ts';
import { rootDirectory } from './view-system.ts';
import { done, failed, type Outcome } from './work.ts';

const PAGE = 4096;

/**
 * open(2) and one write(2) to an attribute. Without a file ENOENT, or EACCES when the open asks to create it
 * (sysfs lets nobody make files); a read-only attribute is EACCES; a write of no bytes succeeds and never
 * reaches the attribute (fs/sysfs/file.c:sysfs_kf_write); more than a page is cut.
 */
export function storeAttribute(
  state: MachineState,
  request: { readonly path: string; readonly data: string; readonly create: boolean },
): Outcome {
  const root = rootDirectory(state);
  const found = find(root, request.path, true);
  if (!found) {
    const parent = find(root, posix.dirname(request.path), true);
    return failed(request.create && parent?.node.kind === 'directory' ? 'EACCES' : 'ENOENT');
  }
  const { node } = found;
  if (node.kind === 'directory') return failed('EISDIR');
  if (node.kind !== 'file' || !node.store) return failed('EACCES');
  return store(node, request.data);
}

/** The same through a file that is open: ENODEV when its device is gone, also when another one has taken its place. */
export function storeOpenAttribute(
  state: MachineState,
  request: { readonly handle: string; readonly data: string },
): Outcome {
  const handle = state.handles[request.handle];
  if (!handle) return failed('ENOENT');
  const found = find(rootDirectory(state), handle.path, true);
  if (found?.node.kind !== 'file' || found.node.uid !== handle.uid) return failed('ENODEV');
  return store(found.node, request.data);
}

/** Opens an attribute and keeps it open under a name. */
export function openAttribute(state: MachineState, path: string, name: string): 'ok' | 'ENOENT' {
  const found = find(rootDirectory(state), path, true);
  if (found?.node.kind !== 'file') return 'ENOENT';
  state.handles[name] = { path: found.path, ...(found.node.uid !== undefined && { uid: found.node.uid }) };
  return 'ok';
}

function store(file: File, data: string): Outcome {
  if (data === '') return done;
  return file.store?.(data.slice(0, PAGE)) ?? failed('EACCES');
}
