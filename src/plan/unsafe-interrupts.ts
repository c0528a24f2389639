import type { Claim } from '../claim/claim.ts';
import { BACK_END, UNSAFE_INTERRUPTS } from '../pci/vfio-state.ts';
import type { SetAttribute } from '../steps/step.ts';

/*
 * The parameter allow_unsafe_interrupts belongs to all guests together, and is on as long as one of them needs it: the
 * first one turns it on, the last one off. What an administrator has turned on is nobody's to turn off.
 */

/** What is done about the parameter for one owner. */
export interface UnsafeWay {
  /** Whether its claim says so: not where the parameter is on without any claim, which somebody else wants. */
  readonly recorded: boolean;
  readonly steps: readonly SetAttribute<'module-parameter'>[];
}

/** What an owner's start does; `isOn` as it is now, `claims` those of all owners. */
export function wayOn(isOn: boolean | undefined, claims: readonly Claim[]): UnsafeWay {
  if (isOn === true) return { recorded: isOurs(claims), steps: [] };
  return { recorded: true, steps: [setTo('Y')] };
}

/** What the end of an owner does whose claim says so; `others` are the claims of all others. */
export function wayOff(isOn: boolean | undefined, others: readonly Claim[]): UnsafeWay['steps'] {
  return isOn === true && !isOurs(others) ? [setTo('N')] : [];
}

/** Whether the parameter is on, if it is, for one of these claims. */
export function isOurs(claims: readonly Claim[]): boolean {
  return claims.some(({ unsafeInterrupts }) => unsafeInterrupts !== undefined);
}

function setTo(to: 'Y' | 'N'): SetAttribute<'module-parameter'> {
  return { kind: 'set', attribute: 'module-parameter', key: `${BACK_END} ${UNSAFE_INTERRUPTS}`, to };
}
