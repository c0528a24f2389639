import type { ServiceRules } from '../../config/config.ts';
import { latencyUnit } from '../../pci/latency.ts';
import { AWAKE_UNIT } from '../../pci/sleep.ts';
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

/** The unit that keeps the host awake. */
export const awakeWish: Wish<'unit'> = { kind: 'unit', key: AWAKE_UNIT, wish: { active: true } };

/** The unit that has CPUs wake so soon: the kernel goes by the strictest that runs. */
export function latencyWish(microseconds: number): Wish<'unit'> {
  return { kind: 'unit', key: latencyUnit(microseconds), wish: { active: true } };
}
