import { VfioHookError } from '../errors.ts';
import type { Hint } from '../hint.ts';
import type { Host, ProcessIdentity, RunResult, WriteResult } from '../host/host.ts';
import { quoteName } from '../text.ts';
import type { Step } from './step.ts';

/** What came of one step. */
export type StepOutcome =
  | {
      readonly kind: 'done';
      /** What came out otherwise than was wished, and is no reason to do without the rest. */
      readonly remark?: string;
    }
  /** The host is so already, and nothing was written; or, with a remark, it cannot be otherwise and may stay so. */
  | { readonly kind: 'skipped'; readonly remark?: string }
  | {
      readonly kind: 'failed';
      /** Why, as the end of the sentence "cannot …: …". */
      readonly reason: string;
      readonly errno?: string;
      readonly hints?: readonly Hint[];
    }
  | { readonly kind: 'stuck'; readonly path: string; readonly writer: ProcessIdentity };

/**
 * How one kind of step is done. The engine calls `already`, then `apply`, then `verify`, and believes only
 * the last: a write that "succeeded" proves nothing (drivers_probe), and one that failed may find the host
 * as wished (EBUSY, when two processes bound the device at once).
 */
export interface StepDefinition<S extends Step> {
  /** Nothing else may be done meanwhile, whatever it is about. */
  readonly alone?: true;
  /** Who else is waited for than the kernel, and what to do when that takes too long. */
  readonly slow?: { readonly who: string; readonly hints: readonly Hint[] };
  /** What the step does, as a person would say it: `unbind 0000:03:00.0 from amdgpu`. */
  describe(step: S): string;
  /** The kernel write that it makes, as a shell user would type it. */
  command(step: S): string;
  /** Whether the host is as wished, so that nothing needs to be written. */
  already(step: S, host: Host, deadlineMs: number): Promise<boolean>;
  apply(step: S, host: Host, deadlineMs: number): Promise<StepOutcome>;
  /**
   * The attribute that `already` and `verify` read in a child process, where one child can read those of several steps:
   * that is, where a step can be read back when others of its kind were applied meanwhile.
   */
  lockedRead?(step: S): string | undefined;
  /** Reads the result back; what is wrong with it, or undefined. */
  verify(step: S, host: Host, deadlineMs: number): Promise<string | undefined>;
}

/** The outcome of a plain attribute write; `sentences` says what each errno means here. */
export function outcomeOf(
  result: WriteResult,
  path: string,
  sentences: Readonly<Record<string, string>>,
): StepOutcome {
  switch (result.kind) {
    case 'written':
      return { kind: 'done' };
    case 'stuck':
      return { kind: 'stuck', path, writer: result.writer };
    case 'refused': {
      const meaning = Object.hasOwn(sentences, result.errno) ? sentences[result.errno] : undefined;
      return {
        kind: 'failed',
        errno: result.errno,
        reason: `${result.errno}${meaning ? ` (${meaning})` : ''}`,
      };
    }
  }
}

/** The outcome of a program that was run by this line. `said` is where it says why it could not. */
export function outcomeOfRun(
  line: readonly string[],
  result: RunResult,
  {
    said,
    hints,
  }: {
    readonly said: (output: Extract<RunResult, { readonly kind: 'exited' }>) => string;
    readonly hints: readonly Hint[];
  },
): StepOutcome {
  if (result.kind === 'stuck') return { kind: 'stuck', path: line.join(' '), writer: result.writer };
  if (result.status === 0) return { kind: 'done' };
  const words = (said(result).trim().split('\n')[0] ?? '').slice(0, 200);
  return {
    kind: 'failed',
    reason: `${line[0] ?? ''} ends with status ${result.status}${words === '' ? '' : `: ${quoteName(words)}`}`,
    hints,
  };
}

/** What a look at the host comes to; the message of its error where it comes to none. */
export async function orMessage<T>(look: () => Promise<T>): Promise<T | string> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof VfioHookError) return error.message;
    throw error;
  }
}
