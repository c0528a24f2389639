import type { Config } from '../../src/config/config.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { LockName } from '../../src/engine/lock-name.ts';

/** One run of the real engine: a process with a body. */
export interface Program {
  /** Such as `prepare of guest A`. */
  readonly name: string;
  readonly kind: 'prepare' | 'release' | 'recover';
  /** The guest's name; absent: `recover`. */
  readonly guest?: string;
  readonly pid: number;
  /** What its configuration says besides the defaults. */
  readonly config?: Partial<Config>;
  readonly body: (engine: Engine) => Promise<unknown>;
}

/** What a run can ask for. Reads of the machine happen together with the action before them; all else is an action. */
export type Question =
  /** Any other method of the host, with these arguments. */
  | { readonly ask: 'machine'; readonly how: string; readonly with: readonly unknown[] }
  | { readonly ask: 'locked'; readonly paths: readonly string[] }
  | { readonly ask: 'alive'; readonly pid: number; readonly startTime: number }
  | Action
  | AnyOf
  | { readonly ask: 'end'; readonly outcome: Outcome };

/**
 * Calls that the lanes of a run have made and that have not returned: the answer says which one does, and with what. One
 * that has been asked about stays with its number until it is answered.
 */
export interface AnyOf {
  readonly ask: 'any';
  readonly of: readonly Open[];
}

/** A call that has not returned. */
export interface Open {
  /** Numbers in the order in which the run makes its calls. */
  readonly id: number;
  readonly action: Action;
}

/** An atomic action of a run: the places at which runs interleave and die. */
export type Action =
  | { readonly ask: 'claims' }
  | { readonly ask: 'write-claim'; readonly key: string; readonly text: string }
  | { readonly ask: 'remove-claim'; readonly key: string }
  | { readonly ask: 'lock'; readonly name: LockName; readonly waits: boolean }
  | { readonly ask: 'unlock'; readonly name: LockName }
  | { readonly ask: 'write'; readonly path: string; readonly value: string }
  | { readonly ask: 'modprobe'; readonly module: string };

/** How a run ended. A `fault` is an exception that no person should ever see. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'fault'; readonly message: string };

/** An answer; equal answers have equal keys. */
export interface Answer {
  readonly key: string;
  readonly value: unknown;
}

/** Makes an answer of a value that survives JSON. */
export function answer(value: unknown): Answer {
  return { key: value === undefined ? 'undefined' : JSON.stringify(value), value };
}

/** What a run waits for; none at its end. A question about a single action is that one, numbered 0. */
export function openOf(question: Question): readonly Open[] {
  if (question.ask === 'end' || isRead(question)) return [];
  return question.ask === 'any' ? question.of : [{ id: 0, action: question }];
}

/** The answer to a question when this of its actions returns. */
export function returned(question: Question, { id }: Pick<Open, 'id'>, given: Answer): Answer {
  return question.ask === 'any' ? answer({ id, value: given.value }) : given;
}

export type Read = Exclude<Question, Action | AnyOf | { readonly ask: 'end' }>;

const READS: readonly Question['ask'][] = ['machine', 'locked', 'alive'];

/** Whether a question only looks at the machine. */
export function isRead(question: Question): question is Read {
  return READS.includes(question.ask);
}
