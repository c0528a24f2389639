import type { StuckWrite } from '../claim/claim.ts';
import type { ErrorCode } from '../errors.ts';
import type { Hint } from '../hint.ts';
import type { Host } from '../host/host.ts';
import type { Log, LogEntry } from '../log/log.ts';
import { cardsOf } from '../observe/cards.ts';
import type { PciAddress } from '../pci/address.ts';
import { stagesOf } from '../steps/lanes.ts';
import { subjectOf, type Step } from '../steps/step.ts';
import type { Budget } from './budget.ts';
import { doLane, type Board } from './lane.ts';

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
  /** Absent: what the kernel's answers have. */
  readonly code?: ErrorCode;
}

/** What kept a run from its end: a step, or what belongs to none. */
export type Trouble = Omit<Failure, 'step'>;

/** Lanes in which something is done at once: each has at most one child process in the kernel. */
const MOST_LANES = 16;

/**
 * Executes steps: those of one card in order, cards side by side, see {@link stagesOf} and {@link doLane}. Returns the
 * failures in the order in which they happened, none when everything is as planned. Never throws for what the kernel
 * answers.
 */
export async function execute(steps: readonly Step[], options: ExecuteOptions): Promise<readonly Failure[]> {
  const board: Board = { failures: [], given: new Set() };
  for (const stage of stagesOf(steps, cardsOf(options.host, devicesOf(steps)))) {
    await sideBySide(stage, (lane) => doLane(lane, options, board));
  }
  return board.failures;
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
