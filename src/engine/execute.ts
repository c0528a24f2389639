import { setImmediate as turn } from 'node:timers/promises';
import type { StuckWrite } from '../claim/claim.ts';
import type { ErrorCode } from '../errors.ts';
import { asFailure } from '../failure.ts';
import { advice, type Hint } from '../hint.ts';
import type { Host } from '../host/host.ts';
import type { Log, LogEntry } from '../log/log.ts';
import { cardsOf } from '../observe/cards.ts';
import type { PciAddress } from '../pci/address.ts';
import type { StepOutcome } from '../steps/definition.ts';
import { describeStep, doStep } from '../steps/index.ts';
import { stagesOf } from '../steps/lanes.ts';
import { subjectName, subjectOf, type Step } from '../steps/step.ts';
import type { Budget } from './budget.ts';
import { nodesOf, stuckFailure } from './stuck-write.ts';

/** How a list of steps is executed; `guest` and `owner` are for the log. */
export interface ExecuteOptions extends Pick<LogEntry, 'guest' | 'owner'> {
  readonly host: Host;
  readonly log: Log;
  /** What the kernel may take, shared with whatever else the run executes. */
  readonly budget: Budget;
  /**
   * `stop`: after the first failure no step begins any more (handing over: all or nothing).
   * `next-device`: a failure ends it for what the step is about only (giving back: as much as can be).
   */
  readonly onFailure: 'stop' | 'next-device';
  /** Asked before each step; a word ends the execution there, as a failure would. */
  readonly interrupted?: () => string | undefined;
}

/** A step that failed. */
export interface Failure {
  readonly step: Step;
  /** One sentence: `cannot unbind 0000:03:00.0 from amdgpu: EBUSY (…)`. */
  readonly sentence: string;
  readonly hints: readonly Hint[];
  readonly errno?: string;
  readonly stuck?: StuckWrite;
}

/** What kept a run from its end: a step, or what belongs to none. */
export type Trouble = Omit<Failure, 'step'> & { readonly code?: ErrorCode };

/** Lanes in which something is done at once: each has at most one child process in the kernel. */
const MOST_LANES = 16;

/**
 * Executes steps: those of one card in order, cards side by side, see {@link stagesOf}. Each is applied, read back and
 * logged before the next of its lane begins. Returns the failures in the order in which they happened, none when
 * everything is as planned. Never throws for what the kernel answers.
 */
export async function execute(steps: readonly Step[], options: ExecuteOptions): Promise<readonly Failure[]> {
  const failures: Failure[] = [];
  const given = new Set<string>();
  const isOver = (): boolean => options.onFailure === 'stop' && failures.length > 0;
  const doLane = async (lane: readonly Step[]): Promise<void> => {
    for (const step of lane) {
      // A signal is heard between two turns of the event loop, and steps that return at once make none.
      await turn();
      if (isOver()) return;
      const subject = subjectName(subjectOf(step));
      if (given.has(subject)) continue;
      const failure = notBegun(step, options) ?? (await executeStep(step, options));
      if (!failure) continue;
      failures.push(failure);
      given.add(subject);
    }
  };
  for (const stage of stagesOf(steps, cardsOf(options.host, devicesOf(steps))))
    await sideBySide(stage, doLane);
  return failures;
}

function devicesOf(steps: readonly Step[]): PciAddress[] {
  return [...new Set(steps.flatMap((step) => subjectOf(step).device ?? []))];
}

/** As many at once as may be; the next one begins when one ends. */
async function sideBySide<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await action(item);
  };
  const workers = Array.from({ length: Math.min(items.length, MOST_LANES) }, worker);
  // Should one of them throw, the others end first: nobody goes on in the background.
  await Promise.allSettled(workers);
  await Promise.all(workers);
}

/** Why a step must not begin any more. At once, so that of all lanes that ask in one turn one is told. */
function notBegun(step: Step, { interrupted, budget, onFailure }: ExecuteOptions): Failure | undefined {
  const before = (why: string, hints: readonly Hint[] = []): Failure => ({
    step,
    sentence: `stopped before: ${describeStep(step)} (${why})`,
    hints,
  });
  const signal = interrupted?.();
  if (signal !== undefined) return before(signal);
  // On a way back whatever can be done is done; see Budget.forStep.
  const exceeded = onFailure === 'stop' ? budget.exceeded() : undefined;
  if (exceeded === undefined) return undefined;
  return before(`the run has taken longer than ${exceeded / 1000} s`, [
    advice('if the devices are only slow, raise timeouts.run in the configuration'),
  ]);
}

async function executeStep(step: Step, options: ExecuteOptions): Promise<Failure | undefined> {
  const { host, log, guest, owner, budget } = options;
  const deadlineMs = budget.forStep();
  const what = describeStep(step);
  const nodes = step.kind === 'unbind' ? await nodesOf(host, step.device, deadlineMs) : [];
  const started = host.now();
  const outcome = await attempt(step, host, deadlineMs);
  const { device } = subjectOf(step);
  log.write({
    severity: outcome.kind === 'done' || outcome.kind === 'skipped' ? 'info' : 'err',
    message: 'step',
    ...(guest !== undefined && { guest }),
    ...(owner !== undefined && { owner }),
    ...(device !== undefined && { device }),
    step: what,
    result: outcome.kind === 'failed' ? `failed: ${outcome.reason}` : outcome.kind,
    durationMs: host.now() - started,
  });
  if (outcome.kind !== 'stuck') return failureOf(step, what, outcome);
  budget.writeIsStuck();
  return stuckFailure(step, { host, deadlineMs, nodes, ...outcome });
}

/** What keeps this process itself from doing it (not the kernel's answer to the write) is a failed step, too. */
async function attempt(step: Step, host: Host, deadlineMs: number): Promise<StepOutcome> {
  try {
    return await doStep(step, host, deadlineMs);
  } catch (error) {
    const failure = asFailure(error);
    if (!failure) return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    const { message, hints, errno } = failure;
    return { kind: 'failed', reason: message, hints, ...(errno !== undefined && { errno }) };
  }
}

function failureOf(
  step: Step,
  what: string,
  outcome: Exclude<StepOutcome, { readonly kind: 'stuck' }>,
): Failure | undefined {
  if (outcome.kind !== 'failed') return undefined;
  return {
    step,
    sentence: `cannot ${what}: ${outcome.reason}`,
    hints: outcome.hints ?? [],
    ...(outcome.errno !== undefined && { errno: outcome.errno }),
  };
}
