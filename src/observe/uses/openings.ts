import type { Host, Opening } from '../../host/host.ts';
import { notAnswering } from '../not-answering.ts';

/** What opening the node of a block device exclusively comes to. */
export type OpenExclusively = (node: string) => Opening;

/**
 * What `look` finds, which may ask for nodes to be opened exclusively. It looks twice: first to learn which it may
 * ask for, all of which answer `free`; then, if there are any, with the answers, which one child has got for all.
 * So it must change nothing, and ask for no other node when one is taken.
 * Throws VH_STUCK when the kernel does not answer for a node within the deadline.
 */
export async function withOpenings<T>(
  host: Host,
  deadlineMs: number,
  look: (open: OpenExclusively) => T,
): Promise<T> {
  const asked = new Set<string>();
  const found = look((node) => {
    asked.add(node);
    return 'free';
  });
  if (asked.size === 0) return found;
  const opened = await host.openExclusive([...asked], deadlineMs);
  if (opened.kind === 'stuck') throw notAnswering(opened);
  return look((node) => opened.answers.get(node) ?? 'denied');
}
