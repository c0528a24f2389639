import type { Snapshot } from '../../pci/snapshot.ts';
import type { DeviceUse } from '../../pci/use.ts';

/** What a host is like without a unit: a device that only processes of units have open is free once each has lost its own. */
export function withoutUnit(
  snapshot: Snapshot,
  key: string,
  isConcerned: (use: DeviceUse) => boolean = () => true,
): Snapshot {
  return {
    ...snapshot,
    uses: snapshot.uses.flatMap((use) => {
      if (use.units?.some((each) => each.includes(key)) !== true || !isConcerned(use)) return [use];
      const units = use.units.filter((each) => !each.includes(key));
      return units.length > 0 ? [{ ...use, units }] : [];
    }),
  };
}
