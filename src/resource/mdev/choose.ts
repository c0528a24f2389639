import type { WishOf } from '../../claim/hold.ts';
import { advice, command, type Hint } from '../../hint.ts';
import { AUTO, isCalled, typeWords, type MdevParent, type MdevType } from '../../pci/mdev.ts';
import type { MdevFacts } from '../facts.ts';
import type { Refusal, Settled } from '../kind.ts';
import { gvtState, noTypes } from './no-types.ts';

type Wanted = WishOf<'mdev'>;

/** A parent with a type of it that is asked for. */
interface Offer {
  readonly parent: MdevParent;
  readonly type: MdevType;
}

/**
 * Makes a wish definite: the parent by its own name, and the id of the type. `auto` is the first parent, in the order of
 * their names, that has room for one more besides what the same start makes (`taken`).
 */
export function choose(wish: Wanted, facts: MdevFacts, taken: readonly Wanted[]): Settled<Wanted> {
  const { parents } = facts;
  const named = wish.parent === AUTO ? parents : parents.filter(({ name }) => isSameName(name, wish.parent));
  const offers = named.flatMap((parent) =>
    parent.types.filter((type) => isCalled(type, wish.type)).map((type): Offer => ({ parent, type })),
  );
  const [first] = offers;
  if (!first) return ofGvt(wish, facts) ?? { refusal: notOffered(wish, named, facts) };
  const roomy = offers.find((offer) => roomOf(offer, taken) > 0);
  const chosen = roomy ?? (wish.parent === AUTO ? undefined : first);
  if (chosen) return { wish: { ...wish, parent: chosen.parent.name, type: chosen.type.id } };
  const all = offers.map(({ parent }) => parent.name).join(', ');
  return {
    refusal: {
      reason: `no parent has room for one more of type ${typeWords(first.type)}: ${all}`,
      hints: [command('vfio-hook mdev')],
    },
  };
}

/** What is left of a type, as far as the same start does not take it. */
function roomOf({ parent, type }: Offer, taken: readonly Wanted[]): number {
  const own = taken.filter((each) => each.parent === parent.name && each.type === type.id).length;
  return type.available - own;
}

/** GVT-g's types are known before kvmgt is loaded, and are offered once it is. */
function ofGvt(wish: Wanted, { graphics, kernel, parents }: MdevFacts): Settled<Wanted> | undefined {
  const [, id = ''] = /^(?:i915-)?(GVTg_V[45]_[1-8])$/.exec(wish.type) ?? [];
  if (id === '') return undefined;
  const card = graphics.find(
    (each) =>
      each.vendor === '8086' &&
      (wish.parent === AUTO || isSameName(each.address, wish.parent)) &&
      !parents.some(({ name }) => name === each.address) &&
      gvtState(each, kernel).kind === 'loadable',
  );
  return card && { wish: { ...wish, parent: card.address, type: `i915-${id}` } };
}

function notOffered(wish: Wanted, named: readonly MdevParent[], facts: MdevFacts): Refusal {
  const hints: Hint[] = [command('vfio-hook mdev')];
  if (named.length > 0) {
    const types = named.flatMap((parent) => parent.types.map(typeWords));
    const which = wish.parent === AUTO ? 'no parent of this host offers' : `${wish.parent} does not offer`;
    return { reason: `${which} the type ${wish.type}; there are ${[...new Set(types)].join(', ')}`, hints };
  }
  const cards = facts.graphics.filter(({ address, isVirtual }) =>
    wish.parent === AUTO ? !isVirtual : isSameName(address, wish.parent),
  );
  const [card] = likelyFirst(cards, wish.type);
  const unmade = facts.graphics.find(
    ({ address, totalVfs, numVfs }) =>
      totalVfs > 0 && numVfs === 0 && wish.parent.startsWith(address.slice(0, address.lastIndexOf(':'))),
  );
  if (wish.parent !== AUTO && !card && unmade)
    return {
      reason: `there is no ${wish.parent}: ${unmade.address} has no virtual functions yet`,
      hints: noTypes(unmade, facts.kernel).hints,
    };
  if (wish.parent !== AUTO && !card)
    return { reason: `there is no ${wish.parent} on this host that makes mediated devices`, hints };
  if (!card) return { reason: 'nothing on this host makes mediated devices', hints };
  const { reason, hints: more } = noTypes(card, facts.kernel);
  return {
    reason: `${card.address} makes no mediated devices: ${reason}`,
    hints: [...more, advice('see what there is: vfio-hook mdev')],
  };
}

/** The card of the vendor whose types are called so. */
function likelyFirst<Card extends { readonly vendor: string }>(cards: readonly Card[], type: string): Card[] {
  const vendor = /gvtg/i.test(type) ? '8086' : /nvidia|grid|^[a-z]+\d+-\d+[abcq]/i.test(type) ? '10de' : '';
  return [...cards].sort((a, b) => Number(b.vendor === vendor) - Number(a.vendor === vendor));
}

/** mdevctl takes a parent in other capitals as well, and libvirt's files have some. */
function isSameName(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}
