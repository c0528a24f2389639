import type { Claim } from '../../claim/claim.ts';
import type { Step } from '../../steps/step.ts';
import type { KindOf } from '../kind.ts';
import { notKept } from './vf.ts';
import { wishedOtherwise } from './one-guest.ts';
import { cardOf, vfOf } from './vf-key.ts';
import { lockOfFunctions } from './vfs.ts';

/** The state of an address that nobody has set through the card. */
export const UNSET = 'unset';

/** A wish: libvirt sets the address, as it does for every `<interface type='hostdev'>`. */
export const BY_LIBVIRT = 'libvirt';

/** What is written so that an address counts as never set (drivers/net/ethernet/intel/igb/igb_main.c:igb_ndo_set_vf_mac). */
const ZEROS = '00:00:00:00:00:00';

/**
 * The address of a virtual function, as its card has it, and as its interface on the host has it.
 *
 * - Once somebody has set it through the card, the function's own driver may not change it any more; and libvirt's way back
 *   is to set the old one (src/util/virnetdev.c:virNetDevSetNetConfig). It looks as before and is not: so where it was not
 *   set before, it is cleared by zeros, and the interface gets its own address back.
 * - Whether it was set cannot be read: a card shows the function's own address meanwhile. It is known of functions that this
 *   program has made, of a card that shows zeros, and where the configuration says so.
 * - What it is while a guest has it may be libvirt's or the guest's doing, and is nothing that somebody else meant.
 */
export const vfMac: KindOf<'vf-mac'> = {
  stage: 'tune',
  changesDevices: false,
  attributes: [],
  fleeting: ['mac', 'own'],
  lock: (key) => lockOfFunctions(cardOf(key)),
  link: vfOf,
  partOf: (key) => ({ kind: 'vfs', key: cardOf(key) }),
  isYetToCome: ({ facts }) => !facts.there,
  isBlind: true,
  original: (key, { mac, own }, wish, claims) => ({
    mac:
      mac === UNSET || wish.unset || areOurs(cardOf(key), claims)
        ? UNSET
        : // What libvirt has set it puts back itself, as well as it can.
          wish.mac === BY_LIBVIRT
          ? BY_LIBVIRT
          : mac,
    own,
  }),
  target: (original, wishes) => {
    const last = wishes.at(-1);
    return last === undefined ? original : { ...original, mac: last.mac };
  },
  conflict: (meeting) =>
    wishedOtherwise(
      meeting,
      ({ mac }) => `with ${mac}`,
      'a virtual function is for one guest: give this one another',
    ),
  reach: ({ seen: { state, facts } }) => (facts.open === '' ? undefined : { to: state, left: facts.open }),
  absent: (key) => notKept(key),
  steps: ({ key, seen: { state, facts }, to }) => {
    if (to.mac === BY_LIBVIRT) return [];
    const { card: device, vf } = vfOf(key);
    const mac = to.mac === UNSET ? ZEROS : to.mac;
    const steps: Step[] = [];
    if (state.mac !== to.mac) {
      steps.push({ kind: 'set-link', device, link: facts.link, vf, setting: 'mac', to: mac });
    }
    // The interface goes with its driver, and what it was called may be another's by then.
    // A card whose address of a function was cleared has to be told again what the function's own is. Another one than was set
    // through the card is refused.
    const address = to.own === '' ? state.own : to.own;
    if (
      (to.mac === UNSET || to.mac === address) &&
      address !== '' &&
      facts.ownLink !== '' &&
      (steps.length > 0 || (to.own !== '' && state.own !== to.own))
    ) {
      const own = { device: cardOf(facts.function), link: facts.ownLink };
      steps.push({ kind: 'set-link', ...own, setting: 'address', to: address });
    }
    return steps;
  },
  subject: (key) => {
    const { card, vf } = vfOf(key);
    return `MAC address of virtual function ${vf} of ${card}`;
  },
  words: (_key, { mac }) => (mac === BY_LIBVIRT ? 'set by libvirt' : mac),
};

/** Whether virtual functions of a card are there because a claim wanted them: nobody can have set an address before. */
function areOurs(card: string, claims: readonly Claim[]): boolean {
  return claims.some(({ holds }) =>
    holds.some((hold) => hold.kind === 'vfs' && hold.key === card && hold.original.count === 0),
  );
}
