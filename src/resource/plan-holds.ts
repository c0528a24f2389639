import type { Hold, HoldId, Stated } from '../claim/hold.ts';
import { claimKey, ownerPhrase } from '../claim/owner.ts';
import { advice, command } from '../hint.ts';
import type { PciAddress } from '../pci/address.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import type { Step } from '../steps/step.ts';
import {
  counted,
  foreignWords,
  holders,
  holdWords,
  inOrder,
  isOf,
  isPart,
  ownClaim,
  withoutOwn,
  type HoldChange,
  type HoldInput,
} from './hold-input.ts';
import type { Refusal, Seen, Wish } from './kind.ts';
import { kindOf } from './kinds.ts';
import { isSame, way, type Way } from './share.ts';

/** What stands in the way of one thing. */
export interface HoldRefusal extends HoldId, Refusal {}

/** What a start does besides devices. */
export interface HoldPlan {
  readonly refusals: readonly HoldRefusal[];
  /** What this owner's earlier, unfinished claim holds and this start does not, or otherwise: it is given back first. */
  readonly dropped: readonly Hold[];
  /** What the claim must say before the first step. */
  readonly holds: readonly Hold[];
  /** In the order of stages; empty when something is refused. */
  readonly changes: readonly HoldChange[];
  /** What is expected of things that come only with these changes: they are held, and changed, once they are there. */
  readonly later: readonly HoldChange[];
  /** What a person should know though nothing is refused, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * Decides what a start does to things that are no devices. Their originals are those of a claim that is there, also a
 * dead one; only what nobody holds is as the host shows it.
 */
export function planHolds(input: HoldInput, wishes: readonly Wish[]): HoldPlan {
  const own = ownClaim(input);
  const planned: PlannedWish[] = [];
  for (const wish of inOrder(wishes)) planned.push(planWish(input, wish, planned));
  const changing = planned.flatMap(({ change }) => change ?? []);
  const refused = planned.flatMap((each) => each.refusals);
  const orphans = planned.flatMap(({ later }) =>
    later && ![...changing, ...refused].some(isPart(later)) ? [notComing(later)] : [],
  );
  const refusals = [...refused, ...orphans];
  const isKept = (hold: Hold): boolean =>
    (own?.state === 'held' || kindOf(hold.kind).startsOver !== true) &&
    planned.some(({ wish }) => wish && isOf(wish)(hold) && isSame(wish.wish, hold.wish));
  return {
    refusals,
    dropped: (own?.holds ?? []).filter((hold) => !isKept(hold)),
    holds: refusals.length > 0 ? [] : planned.flatMap(({ hold }) => hold ?? []),
    changes: refusals.length > 0 ? [] : changing.filter(({ steps }) => steps.length > 0),
    later: refusals.length > 0 ? [] : planned.flatMap(({ later }) => later ?? []),
    notes: changing.flatMap((change) =>
      (kindOf(change.kind).notes?.(change, changing) ?? []).map((note) => `${holdWords(change)}: ${note}`),
    ),
  };
}

/** What a snapshot will be like once a plan is carried out, as far as it concerns the devices that are asked for. */
export function expectAfter(
  snapshot: Snapshot,
  { changes }: HoldPlan,
  asked: readonly PciAddress[],
): Snapshot {
  return changes.reduce(
    (expected, { kind, ...ahead }) => kindOf(kind).expect?.(expected, ahead, asked) ?? expected,
    snapshot,
  );
}

/**
 * The steps of a plan, in order; behind those that end programs it is waited until these devices are closed, before anything
 * else is taken from them.
 */
export function holdSteps(
  { changes }: Pick<HoldPlan, 'changes'>,
  awaited: readonly PciAddress[],
): readonly Step[] {
  const isService = ({ kind }: HoldChange): boolean => kindOf(kind).stage === 'services';
  return [
    ...changes.filter(isService).flatMap(({ steps }) => steps),
    ...awaited.map((device): Step => ({ kind: 'await-closed', device })),
    ...changes.filter((change) => !isService(change)).flatMap(({ steps }) => steps),
  ];
}

interface PlannedWish {
  /** Made definite; absent where that cannot be. */
  readonly wish?: HoldId & { readonly wish: Stated };
  readonly refusals: readonly HoldRefusal[];
  readonly hold?: Hold;
  readonly change?: HoldChange;
  readonly later?: HoldChange;
}

/** One wish, with those of the same start before it in mind. */
function planWish(input: HoldInput, wanted: Wish, before: readonly PlannedWish[]): PlannedWish {
  const { kind, key } = wanted;
  const rule = kindOf(kind);
  const refuse = (...refusals: readonly Refusal[]): PlannedWish => ({
    refusals: refusals.map((refusal) => ({ kind, key, ...refusal })),
  });
  const changes = before.flatMap(({ change }) => change ?? []);
  const seen = input.seen(wanted) ?? rule.promised?.(key, changes);
  if (!seen) return refuse(rule.absent?.(key) ?? { reason: 'this host has none', hints: [] });
  const settled = rule.settle?.({
    key,
    wish: wanted.wish,
    seen,
    own: ownClaim(input)?.holds.find(isOf(wanted)),
    taken: changes.flatMap((change) => (change.kind === kind && change.wish ? [change.wish] : [])),
    claims: input.claims,
  }) ?? { wish: wanted.wish };
  return 'wish' in settled
    ? planSettled(input, { kind, key, seen, wish: settled.wish })
    : refuse(settled.refusal);
}

/** A wish that is definite, and what was seen of the thing. */
interface SettledWish extends HoldId {
  readonly seen: Seen;
  readonly wish: Stated;
}

function planSettled(input: HoldInput, { kind, key, seen, wish }: SettledWish): PlannedWish {
  const rule = kindOf(kind);
  const refuse = (...refusals: readonly Refusal[]): PlannedWish => ({
    wish: { kind, key, wish },
    refusals: refusals.map((refusal) => ({ kind, key, ...refusal })),
  });
  const everybody = holders(input.claims, kind);
  const mixed = everybody.find(({ hold }) => rule.overlaps?.(key, hold.key));
  if (mixed) {
    const reason = `${ownerPhrase(mixed.claim.owner)} holds ${rule.subject(mixed.hold.key)}, which is about the same in another way`;
    return refuse({ reason, hints: [advice('write it in the same way for both guests')] });
  }

  const all = everybody.filter(({ hold }) => hold.key === key);
  const others = all.filter(({ claim }) => claimKey(claim.owner) !== claimKey(input.owner));
  const original =
    all[0]?.hold.original ?? rule.original?.(key, seen.state, wish, input.claims) ?? seen.state;
  const conflict = rule.conflict?.({
    key,
    original,
    wish,
    others: others.map((each) => ({ ...counted(each), owner: ownerPhrase(each.claim.owner) })),
    facts: seen.facts,
    claims: withoutOwn(input),
  });
  if (conflict) return refuse(conflict);
  if (rule.isYetToCome?.(seen)) {
    const ahead = { key, seen, to: rule.target(original, [wish]) };
    return { wish: { kind, key, wish }, refusals: [], later: { kind, ...ahead, steps: rule.steps(ahead) } };
  }

  const after = [...others.map(({ hold }) => hold.wish), wish];
  const found = way(rule, { original, now: seen.state, after, before: all.map(counted) });
  const decided: Way =
    found.kind === 'foreign' && rule.overrules ? { kind: 'change', to: rule.target(original, after) } : found;
  // Sound, though not proven by the type: state and wish are of this kind.
  const hold = { kind, key, original, wish } as unknown as Hold;
  const settings = rule.settings?.(key, wish, original) ?? [];
  const planned = { wish: { kind, key, wish }, refusals: [], hold };
  switch (decided.kind) {
    case 'there': {
      const change = { kind, key, seen, to: seen.state, steps: settings };
      return settings.length === 0 ? planned : { ...planned, change };
    }
    case 'foreign':
      return refuse({
        reason: `${foreignWords({ kind, key }, seen.state, decided.expected)}, and what it was before could not come back`,
        hints: [
          command('vfio-hook status'),
          advice('set it back by hand, or end the guests that hold it first'),
        ],
      });
    case 'change': {
      const ahead = { key, seen, to: decided.to, wish };
      const hindered = rule.guard?.(ahead, withoutOwn(input)) ?? [];
      if (hindered.length > 0) return refuse(...hindered);
      return { ...planned, change: { kind, ...ahead, steps: [...rule.steps(ahead), ...settings] } };
    }
  }
}

/** What is not there, and will not be. */
function notComing({ kind, key }: HoldChange): HoldRefusal {
  return {
    kind,
    key,
    reason: 'it is not there, and nothing makes it',
    hints: [advice('set vfs of the card in config.yaml to as many as guests need')],
  };
}
