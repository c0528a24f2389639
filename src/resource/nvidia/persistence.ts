import type { Snapshot } from '../../pci/snapshot.ts';
import { parsePciAddress } from '../../pci/address.ts';
import type { KindOf } from '../kind.ts';
import { PERSISTENCED } from './units.ts';

/**
 * Persistence mode of one of NVIDIA's cards. Off, its daemon lets go of that card and keeps the others. The driver forgets
 * it with the card, and the daemon sets it as it likes when it starts: whatever it reads is nothing that anybody meant.
 */
export const persistence: KindOf<'persistence'> = {
  stage: 'services',
  changesDevices: true,
  attributes: [],
  fleeting: ['on'],
  lock: (key) => `persistence ${key}`,
  writes: (key, { path }) => path.startsWith('nvidia-smi ') && path.includes(key),
  // A card that is on no driver of NVIDIA's, or does not know it, is not kept.
  promised: () => ({ state: { on: false }, facts: {} }),
  target: (original, [wish]) => (wish ? { on: wish.on } : original),
  steps: ({ key, seen, to }) => {
    const device = parsePciAddress(key);
    if (!device || seen.state.on === to.on) return [];
    return [{ kind: 'persistence', device, to: to.on ? 'on' : 'off' }];
  },
  expect: (snapshot, { key, to }) => (to.on ? snapshot : withoutDaemon(snapshot, key)),
  subject: (key) => `persistence mode of ${key}`,
  words: (_key, { on }) => (on ? 'on' : 'off'),
};

/** The card that only the daemon has open is free. */
function withoutDaemon(snapshot: Snapshot, address: string): Snapshot {
  return {
    ...snapshot,
    uses: snapshot.uses.flatMap((use) => {
      if (use.device !== address || use.units === undefined) return [use];
      const units = use.units.filter((each) => !each.includes(PERSISTENCED));
      return units.length > 0 ? [{ ...use, units }] : [];
    }),
  };
}
