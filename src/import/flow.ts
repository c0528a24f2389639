import type { Phase } from './moment.ts';
import { join, type Truth } from './test-command.ts';
import type { Variables } from './variables.ts';

/** An `if`, `case`, loop, function or group that is open. */
export interface Frame {
  readonly kind: 'if' | 'case' | 'loop' | 'function' | 'group';
  /** Whether what is in it may run for the guest. */
  active: boolean;
  /** This branch, or one before it, runs for certain. */
  taken: boolean;
  /** Whether a branch before this one runs cannot be told. */
  unclear: boolean;
  phase: Phase;
  /** The condition that is being read. */
  conditions?: { truths: Truth[]; by: 'and' | 'or' };
  /** Of a `case`: what is compared, while a pattern is awaited. */
  subject?: string | undefined;
  awaitsPattern?: boolean;
  /** Arguments of the script, which a function has others in place of. */
  hidden?: readonly (readonly [string, string])[];
}

/** Where a walk through a script is: what is open around it, and whether that runs for the guest. */
export class Flow {
  readonly #frames: Frame[] = [];
  readonly #variables: Variables;
  readonly #phase: Phase;
  /** What `[ … ] &&` in front lets through, up to the end of the list. */
  #guard: Truth = { truth: true };
  #isOver = false;

  /** `phase` is that of the script as a whole. */
  constructor(variables: Variables, phase: Phase) {
    this.#variables = variables;
    this.#phase = phase;
  }

  get top(): Frame | undefined {
    return this.#frames.at(-1);
  }

  /** The innermost frame, while it is a `case` that wants a pattern. */
  get openCase(): Frame | undefined {
    return this.top?.kind === 'case' && this.top.awaitsPattern === true ? this.top : undefined;
  }

  /** Whether what stands here may run for the guest. */
  get isActive(): boolean {
    return !this.#isOver && this.#frames.every(({ active }) => active) && this.#guard.truth !== false;
  }

  /** Whether what stands here runs for certain, once: it is in no loop and in no function. */
  get isCertain(): boolean {
    return (
      this.#guard.truth === true &&
      this.#frames.every(({ kind, taken }) => taken && (kind === 'if' || kind === 'case'))
    );
  }

  get phase(): Phase {
    return this.#guard.phase ?? this.top?.phase ?? this.#phase;
  }

  open(kind: Frame['kind'], facts: Partial<Frame> = {}): void {
    this.#frames.push({ kind, active: true, taken: false, unclear: false, phase: this.phase, ...facts });
  }

  close(): void {
    for (const [name, value] of this.#frames.pop()?.hidden ?? []) this.#variables.set(name, value);
    this.endList();
  }

  /** Whether the branch of a frame that begins here runs. */
  decide(frame: Frame, { truth, phase }: Truth): void {
    frame.active = !frame.taken && truth !== false;
    frame.taken ||= truth === true && !frame.unclear;
    frame.unclear ||= truth === undefined;
    frame.phase = phase ?? this.#frames.at(-2)?.phase ?? this.#phase;
  }

  /** A test in front of `&&` or `||`, which what comes behind depends on. */
  guard(test: Truth, then: string): void {
    if (then === '&&') this.#guard = join([this.#guard, test], 'and');
    if (then === '||') this.#guard = { truth: test.truth === undefined ? undefined : !test.truth };
  }

  /** The end of a list of commands: nothing depends on what was tested in it. */
  endList(): void {
    this.#guard = { truth: true };
  }

  /** The script ends here for this guest. */
  end(): void {
    this.#isOver = true;
  }
}
