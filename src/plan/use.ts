import { useReasons, type DeviceUse, type UseReason } from '../pci/use.ts';

/** Uses of one device, sorted by whether the configuration allows to take it away from them. */
export interface SortedUses {
  readonly refused: readonly DeviceUse[];
  readonly allowed: readonly DeviceUse[];
  /** Those that end by themselves: they need nobody's leave. */
  readonly yielding: readonly DeviceUse[];
}

/** Sorts the uses of one device. */
export function sortUses(uses: readonly DeviceUse[], allow: readonly UseReason[]): SortedUses {
  const needs = uses.filter(({ yields }) => yields !== true);
  return {
    refused: needs.filter(({ reason }) => !allow.includes(reason)),
    allowed: needs.filter(({ reason }) => allow.includes(reason)),
    yielding: uses.filter(({ yields }) => yields === true),
  };
}

/** The reasons of some uses, each once, in order. */
export function reasonsOf(uses: readonly DeviceUse[]): UseReason[] {
  return useReasons.filter((reason) => uses.some((use) => use.reason === reason));
}

/** Whether a hint may offer to allow a use. */
export function isOffered({ offered }: DeviceUse): boolean {
  return offered !== false;
}
