import pc from 'picocolors';
import type { Hold, HoldId } from '../../claim/hold.ts';
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
    ...heldLines(
      holds.map((hold) => {
        const change = changes.find(({ kind, key }) => kind === hold.kind && key === hold.key);
        return change
          ? { ...hold, lead: '  ~ ', words: changeWords(change) }
          : { ...hold, lead: '  = ', words: `${heldWords(hold)}, as there already` };
      }),
    ),
    ...later.map((change) => `  ~ ${changeWords(change)}`),
    ...notes.map((note) => paint.yellow(`  note: ${note}`)),
    ...refusals.flatMap((refusal) => [
      paint.red(`  ! ${holdWords(refusal)}`),
      paint.dim(`      refused: ${refusal.reason}`),
    ]),
  ];
}

/** A line about something that is held. */
export interface HeldLine extends HoldId {
  /** What stands in front of it. */
  readonly lead: string;
  /** It begins with what the thing is called. */
  readonly words: string;
}

/** The lines; of things that have a name together, and of which the same is said, one for all of them. */
export function heldLines(lines: readonly HeldLine[]): string[] {
  const together = new Map<string, { readonly line: HeldLine; readonly keys: string[] }>();
  for (const line of lines) {
    const { kind, key, lead, words } = line;
    const rule = kindOf(kind);
    const isNumber = rule.subjects !== undefined && /^\d+$/.test(key);
    const name = isNumber ? `${kind}${lead}${words.slice(rule.subject(key).length)}` : `${kind} ${key}`;
    const known = together.get(name);
    if (known) known.keys.push(key);
    else together.set(name, { line, keys: [key] });
  }
  return [...together.values()].map(({ line: { kind, key, lead, words }, keys }) => {
    const rule = kindOf(kind);
    const all = keys.length > 1 ? rule.subjects?.(keys) : undefined;
    return all === undefined ? `${lead}${words}` : `${lead}${all}${words.slice(rule.subject(key).length)}`;
  });
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
