import type { PciAddress } from '../pci/address.ts';
import { isAlone } from './index.ts';
import { subjectOf, type Step, type StepKind } from './step.ts';

/** What is done side by side: lanes, each of them steps in order. */
export type Stage = readonly (readonly Step[])[];

/**
 * Cuts a list of steps into stages, which follow one another. Neighbours of one kind are a stage, in which each card has
 * a lane with its steps in the order of the list: within a card nothing is done out of turn, and cards do not wait for
 * each other. A step that must be alone, or is about no device, is a stage by itself.
 */
export function stagesOf(steps: readonly Step[], cardOf: (device: PciAddress) => string): Stage[] {
  const stages: Stage[] = [];
  let open: { readonly kind: StepKind; readonly lanes: Map<string, Step[]> } | undefined;
  const close = (): void => {
    if (open) stages.push([...open.lanes.values()]);
    open = undefined;
  };
  for (const step of steps) {
    const { device } = subjectOf(step);
    if (device === undefined || isAlone(step)) {
      close();
      stages.push([[step]]);
      continue;
    }
    if (open?.kind !== step.kind) {
      close();
      open = { kind: step.kind, lanes: new Map() };
    }
    const card = cardOf(device);
    open.lanes.set(card, [...(open.lanes.get(card) ?? []), step]);
  }
  close();
  return stages;
}
