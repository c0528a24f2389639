import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { StoredClaims } from '../../src/engine/claim-store.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { VfioHookError } from '../../src/errors.ts';
import type { ModuleResult, WriteResult } from '../../src/host/host.ts';
import { askingEngine, FIRST_START } from './asking-engine.ts';
import type { ClaimDirectories, ClaimsId } from './claims.ts';
import type { Change, Hang, MachineId, Machines } from './machines.ts';
import {
  answer,
  isRead,
  openOf,
  returned,
  type Action,
  type Answer,
  type Outcome,
  type Program,
  type Question,
  type Read,
} from './questions.ts';
import { readMachine } from './reads.ts';

/** What is on the machine and on disk. */
export interface Place {
  readonly machine: MachineId;
  readonly claims: ClaimsId;
}

/** What came of an action. */
export interface Done extends Place {
  readonly answer: Answer;
  readonly change?: Change;
}

/** What reads are answered from. */
export interface Surroundings extends Place {
  /** Pids of the runs in progress. */
  readonly alive: readonly number[];
}

/** A point in a program's run: what it asks for next, after all the answers that it has got. */
export interface Point {
  readonly id: number;
  readonly program: Program;
  readonly question: Question;
  /** The point before, absent for the first; and the answer that led from there. */
  readonly before?: Point;
  readonly given: Answer;
  /** Kernel writes so far. */
  readonly writes: number;
  readonly next: Map<string, Point>;
  /** Where an answer leads in given surroundings, all reads answered. */
  readonly jumps: Map<string, Point>;
}

/** Puts something between the engine and a run, to seed a defect. */
export type Tamper = (engine: Engine, program: Program) => Engine;

/**
 * The real engine as a state machine. What a run does next depends on nothing but the answers that it got, so
 * each point of a run is known by these answers, and the code is executed only to find out what comes after
 * answers that no run has got before: it is executed again from the beginning, with the known answers, and then
 * on to its end as if it were alone. Everything that is met on the way is remembered.
 */
export class Runs {
  readonly machines: Machines;
  readonly directories: ClaimDirectories;
  readonly #tamper: Tamper;
  readonly #starts = new Map<string, Map<string, Point>>();
  readonly #reads = new Map<string, Answer>();
  #points = 0;
  #executions = 0;

  constructor(machines: Machines, directories: ClaimDirectories, tamper: Tamper = (engine) => engine) {
    this.machines = machines;
    this.directories = directories;
    this.#tamper = tamper;
  }

  /** Distinct points, and how often the engine was executed to find them. */
  get counts(): { readonly points: number; readonly executions: number } {
    return { points: this.#points, executions: this.#executions };
  }

  /** The first action of a program. */
  async begin(program: Program, around: Surroundings): Promise<Point> {
    const key = `${program.name} ${program.pid}`;
    const first = this.#starts.get(key) ?? new Map<string, Point>();
    this.#starts.set(key, first);
    return this.#settle(program, first, undefined, answer('begin'), around);
  }

  /** The next action after an action was answered. */
  async proceed(point: Point, given: Answer, around: Surroundings): Promise<Point> {
    const key = `${around.machine} ${around.alive.join()} ${given.key}`;
    const known = point.jumps.get(key);
    if (known) return known;
    const next = await this.#settle(point.program, point.next, point, given, around);
    point.jumps.set(key, next);
    return next;
  }

  /** What the directory of claims reads like now. */
  stored(around: Place): StoredClaims {
    return this.directories.read(around.claims, this.machines.state(around.machine).bootId);
  }

  async #settle(
    program: Program,
    branches: Map<string, Point>,
    before: Point | undefined,
    given: Answer,
    around: Surroundings,
  ): Promise<Point> {
    for (let round = 0; ; round += 1) {
      let point = branches.get(given.key);
      while (point && isRead(point.question)) point = point.next.get(this.#read(point.question, around).key);
      if (point) return point;
      assert.ok(round === 0, 'executing a run leads past what was not known');
      await this.#execute(program, [...answersAt(before), given], around);
    }
  }

  /** Runs the engine with these answers, then alone to its end; remembers each point. */
  async #execute(program: Program, answers: readonly Answer[], around: Surroundings): Promise<void> {
    this.#executions += 1;
    const alone = { ...around, alive: [...new Set([...around.alive, program.pid])] };
    let branches = this.#starts.get(`${program.name} ${program.pid}`)!;
    let given = answers[0]!;
    let writes = 0;
    let count = 1;
    let before: Point | undefined;
    let astray: Error | undefined;
    const ask = (question: Question): unknown => {
      let point = branches.get(given.key);
      if (!point) {
        const next = new Map<string, Point>();
        const id = this.#points++;
        point = { id, program, question, ...(before && { before }), given, writes, next, jumps: new Map() };
        branches.set(given.key, point);
      }
      // Not thrown from here alone: the engine would take it for an answer of the kernel.
      if (!isDeepStrictEqual(question, point.question))
        astray ??= new assert.AssertionError({
          message: `${program.name} does not depend on its answers alone`,
          actual: question,
          expected: point.question,
        });
      if (astray) throw astray;
      if (question.ask === 'end') return undefined;
      if (openOf(question).some(({ action }) => action.ask === 'write' || action.ask === 'modprobe'))
        writes += 1;
      branches = point.next;
      before = point;
      given = answers[count] ?? this.#answerAlone(question, alone);
      count += 1;
      return given.value;
    };
    const outcome = await this.#outcome(program, ask);
    ask({ ask: 'end', outcome });
  }

  async #outcome(program: Program, ask: (question: Question) => unknown): Promise<Outcome> {
    try {
      await program.body(this.#tamper(askingEngine(program, ask), program));
      return { kind: 'done' };
    } catch (error) {
      if (error instanceof VfioHookError) return { kind: 'failed', code: error.code, message: error.message };
      return {
        kind: 'fault',
        message: error instanceof Error ? (error.stack ?? error.message) : String(error),
      };
    }
  }

  #answerAlone(
    question: Question,
    around: { machine: MachineId; claims: ClaimsId; alive: readonly number[] },
  ): Answer {
    if (isRead(question)) return this.#read(question, around);
    const [first] = openOf(question);
    if (!first) return answer(undefined);
    const done = this.act(first.action, around);
    around.machine = done.machine;
    around.claims = done.claims;
    return returned(question, first, done.answer);
  }

  /** Does an action; a call that waits in the kernel is answered as stuck. */
  act(action: Action, { machine, claims }: Place, hangs?: Hang): Done {
    const memo = this.#acts.get(action) ?? new Map<string, Done>();
    this.#acts.set(action, memo);
    const key = `${machine} ${claims}${hangs ?? ''}`;
    const known = memo.get(key);
    if (known) return known;
    const done = this.#act(action, { machine, claims }, hangs);
    memo.set(key, done);
    return done;
  }
  readonly #acts = new WeakMap<Action, Map<string, Done>>();

  #act(action: Action, around: Place, hangs: Hang | undefined): Done {
    const { machine, claims } = around;
    switch (action.ask) {
      case 'claims':
        return { machine, claims, answer: answer(this.stored(around)) };
      case 'write-claim':
        return {
          machine,
          claims: this.directories.write(claims, action.key, action.text),
          answer: answer(undefined),
        };
      case 'remove-claim':
        return { machine, claims: this.directories.remove(claims, action.key), answer: answer(undefined) };
      case 'lock':
      case 'unlock':
        return { machine, claims, answer: answer('taken') };
      case 'write': {
        const change = this.machines.change(machine, {
          do: 'write',
          path: action.path,
          value: action.value,
          ...(hangs && { hangs }),
        });
        return { machine: change.machine, claims, change, answer: answer(writeResult(change.result)) };
      }
      case 'modprobe': {
        const change = this.machines.change(machine, { do: 'modprobe', module: action.module });
        return { machine: change.machine, claims, change, answer: answer(moduleResult(change.result)) };
      }
    }
  }

  #read(question: Read, around: Surroundings): Answer {
    if (question.ask === 'alive' && question.startTime >= FIRST_START) {
      return answer(around.alive.includes(question.pid));
    }
    const key = `${around.machine} ${JSON.stringify(question)}`;
    const known = this.#reads.get(key);
    if (known) return known;
    const value = answer(readMachine(question, this.machines, around.machine));
    this.#reads.set(key, value);
    return value;
  }
}

/** The answers from the beginning of a run to this point. */
function answersAt(point: Point | undefined): Answer[] {
  const answers: Answer[] = [];
  for (let at = point; at; at = at.before) answers.push(at.given);
  return answers.reverse();
}

/** The answer to a write with this result. */
export function writeResult(result: Change['result']): WriteResult {
  if (result === 'ok') return { kind: 'written' };
  if ('errno' in result) return { kind: 'refused', errno: result.errno };
  return { kind: 'stuck', writer: { pid: result.writer, startTime: result.waits } };
}

function moduleResult(result: Change['result']): ModuleResult {
  if (result === 'ok') return { kind: 'loaded' };
  if ('errno' in result) return { kind: 'failed', reason: result.errno };
  return { kind: 'stuck', writer: { pid: result.writer, startTime: result.waits } };
}
