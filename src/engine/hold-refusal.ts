import type { ClaimOwner } from '../claim/claim.ts';
import type { HoldId } from '../claim/hold.ts';
import { ownerPhrase } from '../claim/owner.ts';
import { VfioHookError } from '../errors.ts';
import { advice } from '../hint.ts';
import { holdWords } from '../resource/hold-input.ts';
import type { HoldPlan, HoldRefusal } from '../resource/plan-holds.ts';

/**
 * The error that refused holds come to: the first reason in its message, the others as hints. What is the same for several
 * of one kind is said once: a host may have as many frequency policies as CPUs.
 */
export function holdRefusal(owner: ClaimOwner, { refusals }: HoldPlan): VfioHookError | undefined {
  const [first, ...others] = alike(refusals);
  if (!first) return undefined;
  const [{ reason, hints, ...id }, ...same] = first;
  return new VfioHookError('VH_REFUSED', `${ownerPhrase(owner)} cannot have ${holdWords(id)}: ${reason}`, {
    hints: [
      ...hints,
      ...(same.length > 0 ? [advice(`the same is true of ${listed(same)}`)] : []),
      ...others.flatMap((group) => [advice(`also ${listed(group)}: ${group[0].reason}`), ...group[0].hints]),
    ],
  });
}

/** Of one kind, and for one reason. */
type Group = [HoldRefusal, ...HoldRefusal[]];

function alike(refusals: readonly HoldRefusal[]): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const refusal of refusals) {
    const name = `${refusal.kind} ${refusal.reason}`;
    const group = groups.get(name);
    if (group) group.push(refusal);
    else groups.set(name, [refusal]);
  }
  return [...groups.values()];
}

/** As many are named where there are more. */
const MOST_NAMED = 4;

function listed(ids: readonly HoldId[]): string {
  const named = ids.slice(0, MOST_NAMED).map(holdWords).join(', ');
  return ids.length > MOST_NAMED ? `${named} and ${ids.length - MOST_NAMED} more` : named;
}
