import type { Hold } from '../claim/hold.ts';
import {
  counted,
  foreignWords,
  holders,
  inOrder,
  isPart,
  withoutOwn,
  type HoldChange,
  type HoldInput,
} from './hold-input.ts';
import { kindOf } from './kinds.ts';
import { way } from './share.ts';

/** How things go back. */
export interface HoldWayBack {
  /** Against the order of stages. */
  readonly changes: readonly HoldChange[];
  /** What was found otherwise than expected and is left alone, one sentence each. */
  readonly notes: readonly string[];
  /** What cannot be put back yet, one sentence each. */
  readonly left: readonly string[];
}

/**
 * Decides how things of one claim go back: to what they must be without its wishes, which is the original when nobody
 * else has any. What is as nobody of this program can have left it stays.
 */
export function planHoldsBack(input: HoldInput, holds: readonly Hold[]): HoldWayBack {
  const planned = inOrder(holds)
    .reverse()
    .map((hold) => ({ hold, ...planBack(input, hold) }))
    // What is a part of something that goes, goes with it; a plan made afresh sees whether it has.
    .filter(({ hold }, _index, all) => !all.some(({ hold: other, none }) => none && isPart(hold)(other)));
  return {
    changes: planned.flatMap(({ change }) => change ?? []),
    notes: planned.flatMap(({ note }) => note ?? []),
    left: planned.flatMap(({ left }) => left ?? []),
  };
}

interface PlannedBack {
  /** There will be none of it. */
  readonly none?: boolean;
  readonly change?: HoldChange;
  readonly note?: string;
  readonly left?: string;
}

function planBack(input: HoldInput, { kind, key, original, wish }: Hold): PlannedBack {
  const rule = kindOf(kind);
  const subject = rule.subject(key);
  const seen = input.seen({ kind, key });
  if (!seen) return rule.comesAndGoes ? {} : { note: `${subject}: not there any more` };
  if (rule.isYetToCome?.(seen)) return {};
  const others = holders(withoutOwn(input), kind).filter(({ hold }) => hold.key === key);
  const decided = way(rule, {
    original,
    now: seen.state,
    after: rule.momentary ? [] : others.map(({ hold }) => hold.wish),
    // An earlier run may have given it back already.
    before: [...others.map(counted), { wish, settled: false }],
  });
  switch (decided.kind) {
    case 'there':
      return {};
    case 'foreign': {
      if (rule.isUsual?.(seen, original)) return {};
      const without = rule.target(
        original,
        others.map(({ hold }) => hold.wish),
      );
      return {
        note: `${subject}: ${foreignWords({ kind, key }, seen.state, decided.expected)}, so it stays; it was to be ${rule.words(key, without)}`,
      };
    }
    case 'change': {
      if (rule.stays?.(seen.state, decided.to)) return {};
      const reached = rule.reach?.({ key, seen, to: decided.to }, withoutOwn(input));
      const ahead = { key, seen, to: reached?.to ?? decided.to };
      const steps = rule.steps(ahead);
      return {
        none: rule.isNone?.(ahead.to) ?? false,
        ...(steps.length > 0 && { change: { kind, ...ahead, steps } }),
        ...(reached && { left: `${subject}: ${reached.left}` }),
      };
    }
  }
}
