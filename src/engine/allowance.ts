import { guestOf } from '../claim/owner.ts';
import type { DeviceRule, PlaceRules } from '../config/config.ts';
import { guestFilePath } from '../config/guest-file.ts';
import { wholeFile } from '../config/rule-text.ts';
import { advice, type Hint } from '../hint.ts';
import type { Plan } from '../plan/plan.ts';
import { isOffered, reasonsOf } from '../plan/use.ts';

const aWholeFile: PlaceRules = (guest, rules, purpose) => [wholeFile(guestFilePath(guest), rules, purpose)];

/**
 * What allows a refused plan to take from the host what it uses: configuration ready to paste for a guest, `place`
 * says where, options for a command. A later rule's `allow` replaces an earlier one's, so reasons that are allowed
 * already are in it as well. Empty when nothing of what is refused may be offered, and when the host runs from one of the
 * devices: then nothing is offered at all.
 */
export function allowance({ verdicts, owner }: Plan, place: PlaceRules = aWholeFile): readonly Hint[] {
  const refused = verdicts.flatMap((verdict) => {
    const offered = verdict.kind === 'refuse' ? (verdict.uses ?? []).filter(isOffered) : [];
    if (verdict.kind !== 'refuse' || offered.length === 0) return [];
    return [{ device: verdict.device, reasons: reasonsOf([...offered, ...(verdict.allowed ?? [])]) }];
  });
  const uses = verdicts.flatMap((verdict) => (verdict.kind === 'refuse' ? (verdict.uses ?? []) : []));
  if (refused.length === 0 || refused.some(({ reasons }) => reasons.includes('root-disk'))) return [];
  const purpose = uses.every(isOffered) ? 'to allow it' : 'to allow the rest';
  if (owner.kind !== 'guest') {
    const options = new Set(refused.flatMap(({ reasons }) => reasons.map((reason) => `--allow ${reason}`)));
    return [
      advice(
        `${purpose}: name ${refused.map(({ device }) => device).join(' and ')} itself, and add ${[...options].join(' ')}`,
      ),
    ];
  }
  const rules = refused.map(({ device, reasons }): DeviceRule => ({
    match: { by: 'address', address: device },
    bars: new Map(),
    allow: reasons,
  }));
  return place(guestOf(owner), rules, purpose);
}
