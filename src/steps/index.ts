import type { Host } from '../host/host.ts';
import type { Step, StepKind } from './step.ts';
import { awaitClosed } from './await-closed.ts';
import { bind } from './bind.ts';
import { compactMemory } from './compact-memory.ts';
import { createMdev } from './create-mdev.ts';
import type { StepDefinition, StepOutcome } from './definition.ts';
import { framebuffer } from './framebuffer.ts';
import { loadModule } from './load-module.ts';
import { persistence } from './persistence.ts';
import { probe } from './probe.ts';
import { removeMdev } from './remove-mdev.ts';
import { resetDevice } from './reset-device.ts';
import { resizeBar } from './resize-bar.ts';
import { runScript } from './run-script.ts';
import { setLink } from './set-link.ts';
import { set } from './set.ts';
import { sriovManage } from './sriov-manage.ts';
import { setMdevAttribute } from './set-mdev-attribute.ts';
import { slice } from './slice.ts';
import { unbind } from './unbind.ts';
import { unit } from './unit.ts';
import { unloadModule } from './unload-module.ts';

/** How each kind of step is described, applied and verified. A kind that is missing here does not compile. */
const definitions: { readonly [K in StepKind]: StepDefinition<Extract<Step, { kind: K }>> } = {
  'load-module': loadModule,
  'unload-module': unloadModule,
  set,
  'set-link': setLink,
  'compact-memory': compactMemory,
  unit,
  slice,
  framebuffer,
  'await-closed': awaitClosed,
  persistence,
  'sriov-manage': sriovManage,
  'create-mdev': createMdev,
  'set-mdev-attribute': setMdevAttribute,
  'remove-mdev': removeMdev,
  unbind,
  'resize-bar': resizeBar,
  'reset-device': resetDevice,
  'run-script': runScript,
  bind,
  probe,
};

// Sound, though not proven by the type: the record pairs each kind with the definition for that kind.
function definitionOf(step: Step): StepDefinition<Step> {
  return definitions[step.kind];
}

/** Whether nothing else may be done while a step is done. */
export function isAlone(step: Step): boolean {
  return definitionOf(step).alone === true;
}

/** As `StepDefinition.slow`. */
export function slowStep(step: Step): StepDefinition<Step>['slow'] {
  return definitionOf(step).slow;
}

/** What a step does, as a person would say it. */
export function describeStep(step: Step): string {
  return definitionOf(step).describe(step);
}

/** What a step writes, as a shell user would type it: for plans, and for the day this program is broken. */
export function stepCommand(step: Step): string {
  return definitionOf(step).command(step);
}

/** As `StepDefinition.lockedRead`. */
export function lockedRead(step: Step): string | undefined {
  return definitionOf(step).lockedRead?.(step);
}

/** What came of a write, as long as nobody has read it back. */
export type Written = Exclude<StepOutcome, { readonly kind: 'skipped' | 'stuck' }>;

/** A step that was begun: it is over, or was written and has to be read back. */
export type BegunStep =
  | { readonly kind: 'over'; readonly outcome: StepOutcome }
  | { readonly kind: 'written'; readonly outcome: Written };

/** Begins a step: nothing when the host is so already, else the write. */
export async function beginStep(step: Step, host: Host, deadlineMs: number): Promise<BegunStep> {
  const definition = definitionOf(step);
  if (await definition.already(step, host, deadlineMs)) return { kind: 'over', outcome: { kind: 'skipped' } };
  const outcome = await definition.apply(step, host, deadlineMs);
  return outcome.kind === 'stuck' || outcome.kind === 'skipped'
    ? { kind: 'over', outcome }
    : { kind: 'written', outcome };
}

/** Ends a step that was begun: the reading back alone decides. */
export async function endStep(
  step: Step,
  begun: BegunStep,
  host: Host,
  deadlineMs: number,
): Promise<StepOutcome> {
  const { outcome } = begun;
  if (begun.kind === 'over') return outcome;
  const wrong = await definitionOf(step).verify(step, host, deadlineMs);
  if (outcome.kind === 'failed') {
    // Refused, yet as wished: another process did the same in the same moment.
    return wrong === undefined && outcome.errno !== undefined ? { kind: 'done' } : outcome;
  }
  if (wrong === undefined) return outcome;
  return { kind: 'failed', reason: `the kernel reported success, but ${wrong}` };
}

/** Does one step. Never throws for anything that the kernel answers. */
export async function doStep(step: Step, host: Host, deadlineMs: number): Promise<StepOutcome> {
  return endStep(step, await beginStep(step, host, deadlineMs), host, deadlineMs);
}
