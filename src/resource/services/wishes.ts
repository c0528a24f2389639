import type { ServiceRules } from '../../config/config.ts';
import { unitKey, type Unit } from '../../pci/unit.ts';
import type { Wish } from '../kind.ts';

/** The name that systemd itself has for a unit: that of an alias is another one's. */
export type CanonicalUnit = (unit: Unit) => Unit;

/** What the services of a configuration come to: each unit once, a stop before a start. */
export function serviceWishes(
  { stop, start }: ServiceRules,
  canonical: CanonicalUnit,
): readonly Wish<'unit'>[] {
  const wishes = new Map<string, Wish<'unit'>>();
  for (const [units, active] of [
    [stop, false],
    [start, true],
  ] as const) {
    for (const each of units) {
      const key = unitKey(canonical(each));
      if (!wishes.has(key)) wishes.set(key, { kind: 'unit', key, wish: { active } });
    }
  }
  return [...wishes.values()];
}
