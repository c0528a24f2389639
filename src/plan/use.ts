import { guestOf } from '../claim/owner.ts';
import { advice, paste, type Hint } from '../hint.ts';
import { guestFilePath } from '../config/guest-file.ts';
import { useReasons, type DeviceUse, type UseReason } from '../pci/use.ts';
import type { Plan } from './plan.ts';

/** Uses of one device, sorted by whether the configuration allows to take it away from them. */
export interface SortedUses {
  readonly refused: readonly DeviceUse[];
  readonly allowed: readonly DeviceUse[];
}

/** Sorts the uses of one device. */
export function sortUses(uses: readonly DeviceUse[], allow: readonly UseReason[]): SortedUses {
  return {
    refused: uses.filter(({ reason }) => !allow.includes(reason)),
    allowed: uses.filter(({ reason }) => allow.includes(reason)),
  };
}

/** The reasons of some uses, each once, in order. */
export function reasonsOf(uses: readonly DeviceUse[]): UseReason[] {
  return useReasons.filter((reason) => uses.some((use) => use.reason === reason));
}

/**
 * What allows a refused plan to take from the host what it uses, as a sentence: configuration ready to paste for
 * a guest, options for a command. A later rule's `allow` replaces an earlier one's, so reasons that are allowed
 * already are in it as well. Undefined when nothing is refused because the host uses it, and when the host runs from
 * one of the devices: that is not for a hint to offer.
 */
export function allowance({ verdicts, owner }: Plan): Hint | undefined {
  const refused = verdicts.flatMap((verdict) => {
    if (verdict.kind !== 'refuse' || !verdict.uses) return [];
    return [{ device: verdict.device, reasons: reasonsOf([...verdict.uses, ...(verdict.allowed ?? [])]) }];
  });
  if (refused.length === 0 || refused.some(({ reasons }) => reasons.includes('root-disk'))) return undefined;
  if (owner.kind !== 'guest') {
    const options = new Set(refused.flatMap(({ reasons }) => reasons.map((reason) => `--allow ${reason}`)));
    return advice(
      `to allow it: name ${refused.map(({ device }) => device).join(' and ')} itself, and add ${[...options].join(' ')}`,
    );
  }
  const rules = refused.map(({ device, reasons }) => `{match: "${device}", allow: [${reasons.join(', ')}]}`);
  return paste(guestFilePath(guestOf(owner)), `devices: [${rules.join(', ')}]`, 'to allow it');
}
