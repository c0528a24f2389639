import { claimedBy } from '../scenario.ts';
import { compareLocks } from '../../src/engine/lock-name.ts';
import { hangs, type Change, type Hang } from './machines.ts';
import { answer, type Action, type Answer, type Outcome } from './questions.ts';
import { writeResult, type Runs } from './runs.ts';
import { lockWords, sentenceOf } from './sentences.ts';
import { hasLock, intrusion, trespass } from './trespass.ts';
import {
  ended,
  inOrder,
  pidsOf,
  programOf,
  replace,
  spend,
  without,
  type Run,
  type Setting,
  type World,
} from './world.ts';

/** One thing that can happen in a world. */
export interface Step {
  readonly sentence: string;
  readonly world: World;
  /** What must never happen, when it just has. */
  readonly wrong?: string;
}

/** What steps are looked for in. */
export interface Context {
  readonly setting: Setting;
  readonly runs: Runs;
  readonly world: World;
}

/** What a run can do next, or what can happen to it. */
export async function stepsOfRun(context: Context, run: Run): Promise<Step[]> {
  const { world } = context;
  const { program, question } = run.point;
  const steps: Step[] = [];
  if (world.left.deaths > 0) {
    const gone = without(spend(world, 'deaths'), run);
    const outcome: Outcome = { kind: 'failed', code: 'SIGKILL', message: 'killed' };
    steps.push({ sentence: `${program.name} is killed`, world: ended(gone, run, outcome) });
  }
  if (run.waits) {
    const stuck = answer(writeResult({ waits: run.waits.task, writer: run.waits.writer }));
    steps.push(
      await proceed(context, world, {
        run: goingOn(run),
        given: stuck,
        sentence: `${program.name}: its write took too long`,
      }),
    );
    return steps;
  }
  if (question.ask === 'lock') {
    const { name } = question;
    const isKept = context.setting.unkept === undefined || !(context.setting.unkept in name);
    const holder = isKept && world.runs.find((other) => hasLock(other, name));
    if (holder && (!question.waits || world.left.lockTimeouts > 0)) {
      const sentence = `${program.name} does not get the lock of ${lockWords(name)}`;
      const given = answer('not in time');
      const later = question.waits ? spend(world, 'lockTimeouts') : world;
      steps.push(await proceed(context, later, { run, given, sentence }));
    }
    if (holder) return steps;
  }
  const action = question as Action;
  steps.push(await act(context, run, action));
  if (action.ask === 'write' && world.left.hangs > 0) {
    for (const where of hangs) {
      const hung = await act(context, run, action, where);
      if (hung.world.runs.some(({ point, waits }) => point === run.point && waits)) steps.push(hung);
    }
  }
  return steps;
}

async function act(context: Context, run: Run, action: Action, hang?: Hang): Promise<Step> {
  const { runs } = context;
  const world = hang ? spend(context.world, 'hangs') : context.world;
  const done = runs.act(action, world, hang);
  const sentence = `${run.point.program.name} ${sentenceOf(action, done.answer.value)}`;
  const wrong = trespass(context, run, action) ?? intrusion(context, action);
  const after: World = { ...world, machine: done.machine, claims: done.claims };
  const result = done.change?.result;
  if (typeof result === 'object' && 'waits' in result) {
    const waiting: Run = { ...run, waits: { task: result.waits, writer: result.writer } };
    return { sentence, world: replace(after, run, waiting), ...(wrong !== undefined && { wrong }) };
  }
  const locks =
    action.ask === 'lock'
      ? [...run.locks, action.name]
      : action.ask === 'unlock'
        ? run.locks.filter((name) => compareLocks(name, action.name) !== 0)
        : run.locks;
  const settled = done.change ? await resume(context, after, done.change) : after;
  const step = await proceed(context, replace(settled, run, { ...run, locks }), {
    run: { ...run, locks },
    given: done.answer,
    sentence,
  });
  return wrong === undefined ? step : { ...step, wrong };
}

/** A run's action was answered: on to its next one, or to its end. */
async function proceed(
  context: Context,
  world: World,
  done: { readonly run: Run; readonly given: Answer; readonly sentence: string },
): Promise<Step> {
  const { run, sentence } = done;
  const point = await context.runs.proceed(run.point, done.given, { ...world, alive: pidsOf(world) });
  const next: Run = { ...run, point };
  const { question } = point;
  if (question.ask !== 'end') return { sentence, world: replace(world, run, next) };
  const { outcome } = question;
  const wrong = wrongEnd(context, without(world, next), next, outcome);
  return {
    sentence: `${sentence}; ${point.program.name} ${outcome.kind === 'done' ? 'succeeds' : `fails: ${outcome.message}`}`,
    world: ended(without(world, next), next, outcome),
    ...(wrong !== undefined && { wrong }),
  };
}

/** What must not be so when a run has ended like this. */
function wrongEnd(
  { runs, setting }: Context,
  world: World,
  { point, locks }: Run,
  outcome: Outcome,
): string | undefined {
  const { kind, guest, name } = point.program;
  if (outcome.kind === 'fault') return `${name} ends with a fault of its own: ${outcome.message}`;
  if (locks.length > 0) return `${name} ends with a lock`;
  const refused = outcome.kind === 'failed' && ['VH_BUSY', 'VH_LOCK'].includes(outcome.code);
  if (kind === 'prepare' && refused && point.writes > 0) {
    return `${name} was refused and has written to the kernel`;
  }
  // A prepare that outlives its libvirtd may hand over at any time, also while this release ends.
  const orderly = world.left.daemonDeaths === setting.bounds.daemonDeaths;
  if (kind === 'release' && outcome.kind === 'done' && orderly) {
    const own = runs.stored(world).claims.find((claim) => claimedBy(claim) === guest);
    if (own) return `${name} reports success and its claim is there`;
  }
  return undefined;
}

/** The run when its write waits no longer. */
function goingOn({ point, locks, orphan }: Run): Run {
  return { point, locks, orphan };
}

/** Runs whose waiting write has returned now go on. */
export async function resume(context: Context, world: World, { returned }: Change): Promise<World> {
  let now = world;
  for (const run of world.runs) {
    const result = run.waits && returned.get(run.waits.task);
    if (result === undefined) continue;
    const given = answer(writeResult(result === 'ok' ? 'ok' : { errno: result }));
    now = (await proceed(context, now, { run: goingOn(run), given, sentence: '' })).world;
  }
  return now;
}

/** A run begins, up to its first action. */
export async function start(
  context: Context,
  world: World,
  kind: 'prepare' | 'release' | 'recover',
  of: { readonly guest?: string; readonly count: number },
): Promise<Step> {
  const { runs, setting } = context;
  const program = programOf(setting, kind, of);
  const alive = [...pidsOf(world), program.pid].sort();
  const point = await runs.begin(program, { ...world, alive });
  const run: Run = { point, locks: [], orphan: false };
  const step: Step = {
    sentence: of.guest === undefined ? `somebody runs ${program.name}` : `libvirt calls ${program.name}`,
    world: { ...world, runs: inOrder([...world.runs, run]) },
  };
  if (point.question.ask !== 'end') return step;
  const wrong = wrongEnd(context, world, run, point.question.outcome);
  return { ...step, world: ended(world, run, point.question.outcome), ...(wrong !== undefined && { wrong }) };
}
