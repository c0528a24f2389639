import type { FileStatus } from '../src/host/host.ts';
import type { FileFacts } from './spec.ts';
import type { MachineState } from './state.ts';
import type { Found } from './tree.ts';

const defaults = { file: 0o644, directory: 0o755, link: 0o777, other: 0o600 } as const;

/** What lstat(2) would say of an entry: root's and as old as the machine, unless the description has facts about it. */
export function simulatedStatus(state: MachineState, found: Found): FileStatus {
  const kind = found.node.kind === 'node' ? 'other' : found.node.kind;
  const facts = factsOf(state, found.path);
  return {
    kind,
    uid: facts.uid ?? 0,
    gid: facts.gid ?? 0,
    mode: facts.mode ?? (found.node.kind === 'file' ? found.node.mode : undefined) ?? defaults[kind],
    changedMs: facts.changedMs ?? 0,
  };
}

/** What the description says about the file at a path, every link on the way already followed. */
export function factsOf(state: MachineState, path: string): FileFacts {
  return state.spec.fileFacts?.[path] ?? {};
}
