import { advice, command } from '../../hint.ts';
import type { KindOf, Refusal } from '../kind.ts';
import { wishedOtherwise } from './one-guest.ts';
import { cardOf, vfOf } from './vf-key.ts';
import { lockOfFunctions } from './vfs.ts';

/**
 * One thing that a network card keeps for a virtual function, besides its address: its VLAN, whether it may lie about its
 * address, whether it is trusted, its link, its speed (net/core/rtnetlink.c:do_setvfinfo). Nobody but the host reads it, and a
 * guest cannot change it. libvirt sets none of it for `<hostdev>`, and of `<interface type='hostdev'>` the VLAN only.
 */
export const vf: KindOf<'vf'> = {
  stage: 'tune',
  changesDevices: false,
  attributes: [],
  lock: (key) => lockOfFunctions(cardOf(key)),
  link: vfOf,
  partOf: (key) => ({ kind: 'vfs', key: cardOf(key) }),
  isYetToCome: ({ facts }) => !facts.there,
  target: (original, wishes) => wishes.at(-1) ?? original,
  conflict: (meeting) =>
    wishedOtherwise(
      meeting,
      ({ value }) => value,
      'a virtual function is set for one guest: give this one another',
    ),
  reach: ({ seen: { state, facts } }) => (facts.open === '' ? undefined : { to: state, left: facts.open }),
  absent: (key) => notKept(key),
  steps: ({ key, seen: { state, facts }, to }) => {
    if (state.value === to.value) return [];
    const { card: device, vf: number, setting } = vfOf(key);
    return [{ kind: 'set-link', device, link: facts.link, vf: number, setting, to: to.value }];
  },
  subject: (key) => {
    const { card, vf: number, setting } = vfOf(key);
    return `${setting} of virtual function ${number} of ${card}`;
  },
  words: (_key, { value }) => (value === NEW ? 'as it is made' : value),
};

/** The state of a function that is not there yet. */
export const NEW = 'new';

/** Why a card does not keep what is wanted of it. */
export function notKept(key: string): Refusal {
  const { card, setting } = vfOf(key);
  return {
    reason: `the card keeps no ${setting} for its virtual functions: it has no network interface now, or its driver has no such setting`,
    hints: [
      command(`ls /sys/bus/pci/devices/${card}/net`),
      advice(`take it out of the functions of ${card} in the configuration`),
    ],
  };
}
