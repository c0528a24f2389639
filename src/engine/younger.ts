import type { Claim } from '../claim/claim.ts';
import type { Host } from '../host/host.ts';

/**
 * Whether a start that began after this run has handed a claim's devices over. libvirt begins a guest's next
 * start only after the last release, unless it was killed: then a prepare or release of an earlier life may
 * still be on its way, or wait for a lock, and must not touch what the guest's next life has got.
 */
export function isHeldByYounger(host: Host, { state, writer }: Claim): boolean {
  return state === 'held' && writer.startTime > host.self().startTime;
}
