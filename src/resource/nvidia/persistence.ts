import { parsePciAddress } from '../../pci/address.ts';
import type { KindOf } from '../kind.ts';
import { withoutUnit } from '../services/without-unit.ts';
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
  // The card that only the daemon has open is free.
  expect: (snapshot, { key, to }) =>
    to.on ? snapshot : withoutUnit(snapshot, PERSISTENCED, ({ device }) => device === key),
  subject: (key) => `persistence mode of ${key}`,
  words: (_key, { on }) => (on ? 'on' : 'off'),
};
