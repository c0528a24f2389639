import type { Claim, ClaimOwner } from '../claim/claim.ts';
import type { Hold, HoldId, HoldKind, Stated } from '../claim/hold.ts';
import { claimKey } from '../claim/owner.ts';
import type { Step } from '../steps/step.ts';
import { stages, type Change, type Seen } from './kind.ts';
import { kindOf } from './kinds.ts';
import type { Counted } from './share.ts';

/*
 * What plans of holds go by, to their target (plan-holds.ts) and back (plan-holds-back.ts).
 */

/** What holds are planned from. */
export interface HoldInput {
  readonly owner: ClaimOwner;
  /** What was seen of each thing; undefined: it is not there. */
  readonly seen: (id: HoldId) => Seen | undefined;
  /** Every claim on this host, this owner's own included. */
  readonly claims: readonly Claim[];
}

/** One thing that is not as it is to be. */
export interface HoldChange extends Change {
  /** In order. */
  readonly steps: readonly Step[];
}

/** What a thing is a matter of, in a sentence: `huge pages of 2 MiB on node 0`. */
export function holdWords({ kind, key }: HoldId): string {
  return kindOf(kind).subject(key);
}

/** A change in a sentence: `huge pages of 2 MiB on node 0: 256 → 4352`. */
export function changeWords({ kind, key, seen, to }: HoldChange): string {
  const rule = kindOf(kind);
  return `${rule.subject(key)}: ${rule.words(key, seen.state)} → ${rule.words(key, to)}`;
}

/** What is as nobody of this program can have left it, in a sentence. */
export function foreignWords({ kind, key }: HoldId, now: Stated, expected: readonly Stated[]): string {
  const rule = kindOf(kind);
  const texts = [...new Set(expected.map((state) => rule.words(key, state)))];
  const otherwise = texts.length > 0 ? ` in place of ${texts.join(' or ')}` : '';
  return `somebody else has made it ${rule.words(key, now)}${otherwise}`;
}

/** A claim, and what it holds of something. */
export interface Holder {
  readonly claim: Claim;
  readonly hold: Hold;
}

/** Who holds something of a kind. */
export function holders(claims: readonly Claim[], kind: HoldKind): readonly Holder[] {
  return claims.flatMap((claim) =>
    claim.holds.filter((hold) => hold.kind === kind).map((hold) => ({ claim, hold })),
  );
}

/** A claim's wish, as the law counts it. */
export function counted({ claim, hold }: Holder): Counted {
  return { wish: hold.wish, settled: claim.state === 'held' };
}

/** The claim that the owner has already. */
export function ownClaim({ claims, owner }: HoldInput): Claim | undefined {
  return claims.find((claim) => claimKey(claim.owner) === claimKey(owner));
}

/** Those of others. */
export function withoutOwn({ claims, owner }: HoldInput): readonly Claim[] {
  return claims.filter((claim) => claimKey(claim.owner) !== claimKey(owner));
}

/** Whether something is the same thing. */
export function isOf(id: HoldId): (other: HoldId) => boolean {
  return ({ kind, key }) => kind === id.kind && key === id.key;
}

/** Whether a thing is what another one is a part of. */
export function isPart({ kind, key }: HoldId): (other: HoldId) => boolean {
  const whole = kindOf(kind).partOf?.(key);
  return (other) => whole !== undefined && isOf(whole)(other);
}

/** In the order of stages; what is of one stage as it was. */
export function inOrder<Each extends HoldId>(each: readonly Each[]): Each[] {
  const stageOf = ({ kind }: HoldId): number => stages.indexOf(kindOf(kind).stage);
  return [...each].sort((a, b) => stageOf(a) - stageOf(b));
}
