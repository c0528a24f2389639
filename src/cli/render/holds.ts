import pc from 'picocolors';
import type { Hold } from '../../claim/hold.ts';
import { kindOf } from '../../resource/kinds.ts';
import { changeWords, holdWords } from '../../resource/hold-input.ts';
import type { HoldPlan } from '../../resource/plan-holds.ts';
import type { Manner } from './for-people.ts';

/** What a start does to things that are no devices, one a line; nothing when there is none. */
export function holdLines(
  { holds, changes, later, refusals, notes }: HoldPlan,
  { colour }: Manner,
): string[] {
  if (holds.length + later.length + refusals.length === 0) return [];
  const paint = pc.createColors(colour);
  return [
    'besides devices',
    ...holds.map((hold) => {
      const change = changes.find(({ kind, key }) => kind === hold.kind && key === hold.key);
      return change ? `  ~ ${changeWords(change)}` : `  = ${heldWords(hold)}, as there already`;
    }),
    ...later.map((change) => `  ~ ${changeWords(change)}`),
    ...notes.map((note) => paint.yellow(`  note: ${note}`)),
    ...refusals.flatMap((refusal) => [
      paint.red(`  ! ${holdWords(refusal)}`),
      paint.dim(`      refused: ${refusal.reason}`),
    ]),
  ];
}

/** What an owner wants of a thing, in a sentence: `huge pages of 2 MiB: 4096`. */
export function heldWords({ kind, key, wish }: Hold): string {
  const rule = kindOf(kind);
  return `${rule.subject(key)}: ${rule.words(key, wish)}`;
}

/** The same as data; docs/json.md describes it. */
export function holdsJson({ holds, changes, later, refusals }: HoldPlan): unknown[] {
  return [
    ...holds.map(({ kind, key, original, wish }) => {
      const change = changes.find((each) => each.kind === kind && each.key === key);
      return { kind, key, original, wish, ...(change && { now: change.seen.state, to: change.to }) };
    }),
    // Their originals are known once they are there.
    ...later.map(({ kind, key, to }) => ({ kind, key, to, later: true })),
    ...refusals.map(({ kind, key, reason, hints }) => ({ kind, key, refused: { reason, hints } })),
  ];
}
