import { asFailure } from '../failure.ts';
import { advice, type Hint } from '../hint.ts';
import type { DeviceNode } from '../observe/uses/holders.ts';
import { turn } from '../pause.ts';
import type { StepOutcome } from '../steps/definition.ts';
import { beginStep, describeStep, endStep, lockedRead, type BegunStep } from '../steps/index.ts';
import { subjectName, subjectOf, type Step } from '../steps/step.ts';
import type { ExecuteOptions, Failure } from './execute.ts';
import { readAhead } from './read-ahead.ts';
import { nodesOf, stuckFailure } from './stuck-write.ts';

/** What has gone wrong in all lanes of an execution. */
export interface Board {
  /** In the order in which they happened. */
  readonly failures: Failure[];
  /** The names of what is given up: a failure ends it for what the step is about. */
  readonly given: Set<string>;
}

/**
 * Does the steps of a lane, in order. Each is applied, read back and logged before the next one begins; but neighbours
 * whose reading takes a child process, as that of driver overrides does, are applied one after the other, then read back
 * by one child. Nothing is applied after one that was refused or hangs before all was read back.
 */
export async function doLane(lane: readonly Step[], options: ExecuteOptions, board: Board): Promise<void> {
  for (let at = 0; at < lane.length && !isOver(options, board);) {
    at += await doFirst(neighbours(lane.slice(at)), options, board);
  }
}

/** The first step, with those behind it that can be read together with it. */
function neighbours(steps: readonly Step[]): readonly Step[] {
  const end = steps.findIndex((step) => lockedRead(step) === undefined);
  return end === -1 ? steps : steps.slice(0, Math.max(end, 1));
}

/** Does steps that can be read together, or the first of them. Returns how many are dealt with. */
async function doFirst(steps: readonly Step[], options: ExecuteOptions, board: Board): Promise<number> {
  const { host, budget } = options;
  const before = await readAhead(host, steps, budget.forStep());
  const begun: Begun[] = [];
  let dealtWith = 0;
  for (const step of steps) {
    // A signal is heard between two turns of the event loop, and steps that return at once make none.
    await turn();
    if (isOver(options, board)) break;
    dealtWith += 1;
    if (board.given.has(subjectName(subjectOf(step)))) continue;
    const failure = notBegun(step, options);
    if (failure) {
      note(failure, board);
      break;
    }
    const each = await begin(step, { ...options, host: before });
    begun.push(each);
    const { kind } = each.state.outcome;
    if (kind !== 'done' && kind !== 'skipped') break;
  }
  const written = begun.flatMap(({ step, state }) => (state.kind === 'written' ? [step] : []));
  // Whoever waits for the run has waited for a whole deadline by then.
  const hangs = begun.some(({ state }) => state.outcome.kind === 'stuck');
  const longest = hangs ? budget.forStep() : Math.max(0, ...begun.map(({ deadlineMs }) => deadlineMs));
  const after = await readAhead(host, written, longest);
  for (const each of begun) {
    const failure = await end(each, { ...options, host: after }, longest);
    if (failure) note(failure, board);
  }
  return dealtWith;
}

function isOver({ onFailure }: ExecuteOptions, { failures }: Board): boolean {
  return onFailure === 'stop' && failures.length > 0;
}

function note(failure: Failure, { failures, given }: Board): void {
  failures.push(failure);
  given.add(subjectName(subjectOf(failure.step)));
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

/** A step that was begun, and what is told of it in the end. */
interface Begun {
  readonly step: Step;
  readonly state: BegunStep;
  readonly startedAt: number;
  readonly deadlineMs: number;
  /** What a process could have open of its device before. */
  readonly nodes: readonly DeviceNode[];
}

async function begin(step: Step, { host, budget }: ExecuteOptions): Promise<Begun> {
  const deadlineMs = budget.forStep();
  const nodes = step.kind === 'unbind' ? await nodesOf(host, step.device, deadlineMs) : [];
  const startedAt = host.now();
  const state = await orFailed(
    () => beginStep(step, host, deadlineMs),
    (outcome): BegunStep => ({ kind: 'over', outcome }),
  );
  if (state.outcome.kind === 'stuck') budget.writeIsStuck();
  return { step, state, startedAt, deadlineMs, nodes };
}

async function end(
  { step, state, startedAt, deadlineMs, nodes }: Begun,
  options: ExecuteOptions,
  readMs: number,
): Promise<Failure | undefined> {
  const { host, log, guest, owner } = options;
  const outcome = await orFailed(
    () => endStep(step, state, host, readMs),
    (failed) => failed,
  );
  const what = describeStep(step);
  const { device } = subjectOf(step);
  log.write({
    severity: severityOf(outcome),
    message: 'step',
    ...(guest !== undefined && { guest }),
    ...(owner !== undefined && { owner }),
    ...(device !== undefined && { device }),
    step: what,
    result: resultOf(outcome),
    durationMs: host.now() - startedAt,
  });
  if (outcome.kind === 'stuck') return stuckFailure(step, { host, deadlineMs, nodes, ...outcome });
  return failureOf(step, what, outcome);
}

function severityOf(outcome: StepOutcome): 'info' | 'warning' | 'err' {
  if (outcome.kind === 'skipped') return 'info';
  if (outcome.kind === 'done') return outcome.remark === undefined ? 'info' : 'warning';
  return 'err';
}

function resultOf(outcome: StepOutcome): string {
  switch (outcome.kind) {
    case 'failed':
      return `failed: ${outcome.reason}`;
    case 'done':
      return outcome.remark === undefined ? 'done' : `done, but ${outcome.remark}`;
    case 'skipped':
      return outcome.remark === undefined ? 'skipped' : `left as it is: ${outcome.remark}`;
    case 'stuck':
      return outcome.kind;
  }
}

/** What keeps this process itself from doing it (not the kernel's answer to the write) is a failed step, too. */
async function orFailed<T>(
  action: () => Promise<T>,
  failed: (outcome: Extract<StepOutcome, { readonly kind: 'failed' }>) => T,
): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const failure = asFailure(error);
    if (!failure)
      return failed({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) });
    const { message, hints, errno } = failure;
    return failed({ kind: 'failed', reason: message, hints, ...(errno !== undefined && { errno }) });
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
    ...(step.kind === 'run-script' && { code: 'VH_SCRIPT' }),
  };
}
