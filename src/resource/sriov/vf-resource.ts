import { advice } from '../../hint.ts';
import type { KindOf } from '../kind.ts';
import { placeOf } from './profile.ts';
import { wishedOtherwise } from './one-guest.ts';
import { cardOf } from './vf-key.ts';
import { lockOfFunctions } from './vfs.ts';

/**
 * A share of a graphics card that its driver deals out to a function, by its file below the card: time on its engines,
 * memory, …. The files are there before the functions are, and a share of memory that shall not be the driver's own choice
 * has to be dealt out before (drivers/gpu/drm/xe/xe_sriov_pf_sysfs.c). They go with the functions.
 */
export const vfResource: KindOf<'vf-resource'> = {
  stage: 'make',
  changesDevices: false,
  attributes: ['vf-resource'],
  lock: (key) => lockOfFunctions(cardOf(key)),
  partOf: (key) => (placeOf(key).of === 'pf' ? undefined : { kind: 'vfs', key: cardOf(key) }),
  target: (original, wishes) => wishes.at(-1) ?? original,
  conflict: (meeting) =>
    wishedOtherwise(
      meeting,
      ({ value }) => value,
      'write the same for both guests, or give this one another function',
    ),
  absent: (key) => ({
    reason: `the driver of the card has no such share to deal out: there is no ${key.split(' ')[1] ?? ''}`,
    hints: [
      advice('xe of Linux 6.19 and later has sriov_admin, the i915 of i915-sriov-dkms has prelim_iov'),
      advice(`take it out of the profile of ${cardOf(key)} in the configuration`),
    ],
  }),
  guard: ({ seen, to }) =>
    seen.facts.fixed && seen.state.value !== to.value
      ? [{ reason: `the driver has fixed it at ${seen.state.value}`, hints: [] }]
      : [],
  steps: ({ key, seen: { state }, to }) =>
    state.value === to.value ? [] : [{ kind: 'set', attribute: 'vf-resource', key, to: to.value }],
  subject: (key) => {
    const { of, name } = placeOf(key);
    return `${name} of ${of === 'pf' ? cardOf(key) : `virtual function ${of} of ${cardOf(key)}`}`;
  },
  words: (_key, { value }) => value,
};
