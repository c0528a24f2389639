import { claims as isClaimedBy, type Claim } from '../../claim/claim.ts';
import type { StateOf, WishOf } from '../../claim/hold.ts';
import { ownerPhrase } from '../../claim/owner.ts';
import { advice, command } from '../../hint.ts';
import { parsePciAddress } from '../../pci/address.ts';
import { parseAttributes, typeWords, type Mdev } from '../../pci/mdev.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { Step } from '../../steps/step.ts';
import type { MdevFacts } from '../facts.ts';
import type { Ahead, KindOf, Refusal } from '../kind.ts';
import { choose } from './choose.ts';

/**
 * A mediated device (drivers/vfio/mdev), by its UUID, for one guest at a time.
 *
 * - One that is there is the administrator's, or mdevctl's: it has to be what is wanted, and stays.
 * - Others are made at the start, and go at the end, never while somebody has them open.
 * - How much of a new one was written to its files cannot be seen, so one of an unfinished start is made anew.
 */
export const mdev: KindOf<'mdev'> = {
  stage: 'make',
  changesDevices: false,
  attributes: [],
  startsOver: true,
  // Types of one parent take from one pool, and `auto` chooses among all parents.
  lock: () => 'mediated devices',
  writes: (key, { path, value }) =>
    path.startsWith(`${sysfs.mdev(key)}/`) ||
    (value?.trim() === key && path.startsWith(`${sysfs.mdevParents}/`) && path.endsWith('/create')),
  settle: ({ key, wish, seen, own, taken }) => {
    const { state, facts } = seen;
    const ours = own?.original.type === '';
    // libvirt would refuse it, or QEMU would; and what is open could not be given back.
    if (state.type !== '' && facts.open !== '') return { refusal: openNow(facts.open) };
    if (state.type !== '' && !ours) return existing(key, wish, state, facts);
    // What an earlier, unfinished start of this guest has made of the same wish is not chosen again.
    if (ours && state.type !== '' && isWanted(wish, state, facts))
      return { wish: { ...wish, parent: state.parent, type: state.type } };
    return choose(wish, facts, taken);
  },
  target: (original, wishes) => {
    const [wish] = wishes;
    return original.type !== '' || !wish ? original : { parent: wish.parent, type: wish.type };
  },
  conflict: ({ others }) => {
    const [other] = others;
    return (
      other && {
        reason: `${other.owner} has it`,
        hints: [
          advice(
            'a mediated device is for one guest at a time: end that one first, or give each a UUID of its own',
          ),
        ],
      }
    );
  },
  guard: (ahead, claims) => (ahead.to.type === '' ? [] : hindrances(ahead, claims)),
  reach: ({ seen: { state, facts } }) =>
    facts.open === '' ? undefined : { to: state, left: `it is open in ${facts.open}` },
  steps: ({ key, seen, to, wish }) => {
    const { state, facts } = seen;
    if (state.parent === to.parent && state.type === to.type) return [];
    const remove: Step[] =
      state.type === ''
        ? []
        : [{ kind: 'remove-mdev', uuid: key, ...state, available: availableIn(facts, state) ?? 0 }];
    if (to.type === '') return remove;
    const load: Step[] = needsKvmgt(facts, to)
      ? [{ kind: 'load-module', module: 'kvmgt', blacklist: 'obeyed' }]
      : [];
    const attributes = parseAttributes(String(wish?.['attributes'])) ?? [];
    return [
      ...remove,
      ...load,
      { kind: 'create-mdev', uuid: key, ...to },
      ...attributes.map(([name, value]): Step => ({
        kind: 'set-mdev-attribute',
        uuid: key,
        name,
        to: value,
      })),
    ];
  },
  expect: (snapshot, { key, to }) => ({
    ...snapshot,
    devices: snapshot.devices.map((device) =>
      device.address === to.parent && device.mdevs?.includes(key) !== true
        ? { ...device, mdevs: [...(device.mdevs ?? []), key] }
        : device,
    ),
  }),
  subject: (key) => `mediated device ${key}`,
  words: (_key, { parent, type }) => (type === '' ? 'not there' : `${type} on ${parent}`),
};

function openNow(by: string): Refusal {
  return {
    reason: `it is open in ${by}`,
    hints: [advice('end the guest or program that uses it first, or give this guest a UUID of its own')],
  };
}

/** One that is there without being ours is as it is. */
function existing(
  key: string,
  wish: WishOf<'mdev'>,
  state: StateOf<'mdev'>,
  facts: MdevFacts,
): ReturnType<NonNullable<typeof mdev.settle>> {
  if (isWanted(wish, state, facts)) return { wish: { ...wish, ...state } };
  return {
    refusal: {
      reason: `it is there already, as ${state.type} on ${state.parent}, and ${wish.type} on ${wish.parent} is wanted`,
      hints: [
        command(`echo 1 > ${sysfs.mdev(key)}/remove`),
        advice(
          'that takes it away, if nobody uses it; or change mdev in the configuration, or the definition of mdevctl',
        ),
      ],
    },
  };
}

function isWanted(wish: WishOf<'mdev'>, state: Mdev, facts: MdevFacts): boolean {
  const chosen = choose(wish, { ...facts, parents: roomy(facts, state) }, []);
  return 'wish' in chosen && chosen.wish.type === state.type && chosen.wish.parent === state.parent;
}

/** The parent of what is there, with room for it. */
function roomy({ parents }: MdevFacts, { parent, type }: Mdev): MdevFacts['parents'] {
  return parents
    .filter(({ name }) => name === parent)
    .map((each) => ({
      ...each,
      types: each.types.map((of) => (of.id === type ? { ...of, available: of.available + 1 } : of)),
    }));
}

function availableIn({ parents }: MdevFacts, { parent, type }: Mdev): number | undefined {
  return parents.find(({ name }) => name === parent)?.types.find(({ id }) => id === type)?.available;
}

function needsKvmgt({ parents, kernel }: MdevFacts, { parent }: Mdev): boolean {
  return kernel.kvmgt === 'loadable' && !parents.some(({ name }) => name === parent);
}

function hindrances(
  { key, seen: { facts }, to, wish }: Ahead<StateOf<'mdev'>, MdevFacts>,
  claims: readonly Claim[],
): readonly Refusal[] {
  const address = parsePciAddress(to.parent);
  const owner = address && claims.find((claim) => isClaimedBy(claim, address))?.owner;
  if (owner)
    return [
      {
        reason: `${ownerPhrase(owner)} has the card itself`,
        hints: [advice('a card is for one guest, or its mediated devices are for many')],
      },
    ];
  const type = facts.parents.find(({ name }) => name === to.parent)?.types.find(({ id }) => id === to.type);
  // GVT-g's are seen once kvmgt is loaded.
  if (!type) return [];
  const api = String(wish?.['api']);
  if (type.deviceApi !== '' && type.deviceApi !== api)
    return [
      {
        reason: `type ${typeWords(type)} is for model='${type.deviceApi}', and the guest’s XML says model='${api}'`,
        hints: [advice(`write model='${type.deviceApi}' into its <hostdev>`)],
      },
    ];
  if (type.available > 0) return [];
  const there = Object.entries(facts.devices).filter(([, { parent }]) => parent === to.parent);
  const users = there.map(([uuid]) => {
    const user = claims.find(({ holds }) => holds.some((hold) => hold.kind === 'mdev' && hold.key === uuid));
    return user ? `${uuid} of ${ownerPhrase(user.owner)}` : uuid;
  });
  return [
    {
      reason: `${to.parent} has no room for one more of type ${typeWords(type)}${users.length > 0 ? `: there is ${users.join(', ')}` : ''}`,
      hints: [
        advice(
          `end a guest that has one, choose a smaller type, or write parent: auto for ${key}; see what there is: vfio-hook mdev`,
        ),
      ],
    },
  ];
}
