import type { Kernel } from '../contract/contract.ts';

/**
 * Random sequences of operations that two kernels do side by side: what is done, and what the simulated one
 * answered and looked like afterwards. Plain data, so that it is made where the simulator is fast and carried to
 * the machine where the real kernel runs.
 */

/** One operation. None of them can block, since nothing holds a device open. */
export type Action =
  /** One write(2) of exactly this text. */
  | { readonly write: string; readonly data: string }
  /** modprobe. */
  | { readonly load: string }
  /** delete_module(2). */
  | { readonly unload: string };

/** What is seen of one device by the name of the fact, or of the machine as a whole; every value is a text. */
export type Facts = Readonly<Record<string, string>>;

/** What is seen of all devices, by address, and of the machine, by the word `machine`. */
export type Sight = Readonly<Record<string, Facts>>;

/** One operation with what the simulated kernel made of it. */
export interface Step {
  readonly action: Action;
  /** `ok` or the name of an errno. */
  readonly answer: string;
  /** All facts of each device that changed. */
  readonly changes: Sight;
  /** Whose facts are compared after it: those that the operation can have changed. */
  readonly look: readonly string[];
}

export type Sequence = readonly Step[];

/** What one run compares. */
export interface Prediction {
  readonly kernel: Kernel;
  readonly seed: number;
  /** What both kernels look like before each sequence. */
  readonly start: Sight;
  readonly sequences: readonly Sequence[];
}
