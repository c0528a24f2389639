import type { Host } from '../host/host.ts';

/** How long the kernel may take in one run, in milliseconds. */
export interface Limits {
  /** For one write. */
  readonly kernelWrite: number;
  /** For all that a run does, one after the other and side by side; never less than one write may take. */
  readonly run: number;
}

/** What is left of a run's time. It begins when the budget is made, and all steps of the run share it. */
export interface Budget {
  /** Milliseconds that the next step may take. */
  forStep(): number;
  /** Milliseconds that the whole run had, once they are over. */
  exceeded(): number | undefined;
  /** A write has not returned: whoever waits for the run has waited long enough. */
  writeIsStuck(): void;
}

/** Milliseconds that the kernel gets for all that is left, when one write has used up its deadline. */
export const AFTER_STUCK_MS = 450;
/** Each step gets at least the time in which a child can start. */
export const LEAST_MS = 150;

/** A budget that begins now. */
export function budgetOf(host: Pick<Host, 'now'>, { kernelWrite, run }: Limits): Budget {
  const whole = Math.max(run, kernelWrite);
  const end = host.now() + whole;
  let stuckUntil: number | undefined;
  return {
    forStep: () => {
      const left = Math.min(end, stuckUntil ?? end) - host.now();
      return Math.min(kernelWrite, Math.max(LEAST_MS, Math.round(left)));
    },
    exceeded: () => (host.now() < end ? undefined : whole),
    writeIsStuck: () => {
      stuckUntil ??= host.now() + AFTER_STUCK_MS;
    },
  };
}
