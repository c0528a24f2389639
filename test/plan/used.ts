import { advice } from '../../src/hint.ts';
import type { Plan, PlanInput } from '../../src/plan/plan.ts';
import type { DeviceUse, UseReason } from '../../src/pci/use.ts';
import { at, audio, gpu, noWishes, planFor } from './snapshots.ts';

/** A use of the graphics card, or of another device. */
export function use(reason: UseReason, address = '03:00.0'): DeviceUse {
  return { device: at(address), reason, detail: `it is ${reason}`, hints: [advice(`end ${reason}`)] };
}

/** A plan for the card and its sound function, which the host uses like this. */
export function planned(uses: readonly DeviceUse[], input: Partial<PlanInput> = {}): Plan {
  return planFor([gpu(), audio()], { ...input, facts: { uses } });
}

/** Wishes that allow to take the graphics card from these uses. */
export const allowing =
  (...allow: readonly UseReason[]): PlanInput['wishesFor'] =>
  ({ address }) =>
    address === at('03:00.0') ? { ...noWishes, allow } : noWishes;
