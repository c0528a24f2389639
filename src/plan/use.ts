import { guestFileName } from '../config/guest-file.ts';
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
 * The configuration that allows what a refused plan would take from the host, ready to paste, as a sentence.
 * A later rule's `allow` replaces an earlier one's, so reasons that are allowed already are in it as well.
 * Undefined when nothing is refused because the host uses it.
 */
export function allowance({ verdicts, guest }: Plan): string | undefined {
  const rules = verdicts.flatMap((verdict) => {
    if (verdict.kind !== 'refuse' || !verdict.uses) return [];
    const reasons = reasonsOf([...verdict.uses, ...(verdict.allowed ?? [])]);
    return [`{match: "${verdict.device}", allow: [${reasons.join(', ')}]}`];
  });
  if (rules.length === 0) return undefined;
  return `to allow it: devices: [${rules.join(', ')}] in /etc/vfio-hook/domains/${guestFileName(guest)}`;
}
