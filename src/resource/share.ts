import type { Stated } from '../claim/hold.ts';
import type { ResourceKind } from './kind.ts';

/*
 * The law of what several owners share. There is no counter and no file for it: what a thing must be is a pure function
 * of its original and of the wishes of all claims on disk, and a value is changed only from where this program can have
 * left it. test/resource/share.property.test.ts holds it against every kind.
 */

/** The part of a kind that the law goes by. */
export type ShareRule = Pick<ResourceKind, 'target' | 'gradual' | 'passing' | 'fleeting'>;

/** One claim's wish for a thing. */
export interface Counted {
  readonly wish: Stated;
  /** The claim says `held`: the wish is in force. Else it may be or not, for its run may have died before or after. */
  readonly settled: boolean;
}

/** As many runs may be at work on one thing at one moment; with more, what this program can have left is not known. */
const MOST_OPEN = 8;

/** Every state that this program can have left: with all settled wishes, and any of the others. */
export function left(rule: ShareRule, original: Stated, holds: readonly Counted[]): readonly Stated[] {
  const sure = holds.filter(({ settled }) => settled);
  const open = holds.filter(({ settled }) => !settled);
  if (open.length > MOST_OPEN) return [];
  return Array.from({ length: 2 ** open.length }, (_, mask) => {
    const inForce = [...sure, ...open.filter((_each, index) => (mask & (1 << index)) !== 0)];
    return rule.target(
      original,
      inForce.map(({ wish }) => wish),
    );
  });
}

/** What is to be done about a thing. */
export type Way =
  | { readonly kind: 'there' }
  | { readonly kind: 'change'; readonly to: Stated }
  /** It is as nobody of this program can have left it: somebody else meant that. */
  | { readonly kind: 'foreign'; readonly expected: readonly Stated[] };

/** What a thing is now, and who counts. */
export interface Shared {
  readonly original: Stated;
  readonly now: Stated;
  /** The wishes that shall be in force from now on. */
  readonly after: readonly Stated[];
  /** Those of all claims on disk. */
  readonly before: readonly Counted[];
}

/** Decides by {@link Shared} alone. */
export function way(rule: ShareRule, { original, now, after, before }: Shared): Way {
  const to = rule.target(original, after);
  if (isSame(now, to)) return { kind: 'there' };
  const expected = left(rule, original, before);
  const underWay = before.some(({ settled }) => !settled);
  const passing = underWay ? (rule.passing?.(before.map(({ wish }) => wish)) ?? {}) : {};
  return isAmong(rule, { states: expected, passing }, now)
    ? { kind: 'change', to }
    : { kind: 'foreign', expected };
}

/** Whether two flat records say the same. */
export function isSame(a: Stated, b: Stated): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/** Field by field, since a run may die between the writes of two: each is as in one of those states, or on the way. */
function isAmong(
  { gradual = [], fleeting = [] }: ShareRule,
  { states, passing }: { readonly states: readonly Stated[]; readonly passing: Partial<Stated> },
  now: Stated,
): boolean {
  return Object.entries(now).every(([name, value]) => {
    if (fleeting.includes(name)) return true;
    const values = states.map((state) => state[name]);
    if (values.includes(value) || passing[name] === value) return true;
    if (!gradual.includes(name)) return false;
    const numbers = values.map(Number);
    return Math.min(...numbers) <= Number(value) && Number(value) <= Math.max(...numbers);
  });
}
