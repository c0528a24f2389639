import { claimedBy } from '../scenario.ts';
import { compareLocks } from '../../src/engine/lock-name.ts';
import { hangs, type Change, type Hang } from './machines.ts';
import { answer, openOf, returned, type Answer, type Open, type Outcome } from './questions.ts';
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
  type Waiting,
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
  for (const waiting of run.waits) {
    const stuck = answer(writeResult({ waits: waiting.task, writer: waiting.writer }));
    steps.push(
      await proceed(context, world, {
        run: goingOn(run, waiting),
        given: returned(question, waiting, stuck),
        sentence: `${program.name}: its write took too long`,
      }),
    );
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
  for (const open of openOf(question)) {
    if (run.waits.some(({ id }) => id === open.id)) continue;
    steps.push(await act(context, run, open));
    if (open.action.ask !== 'write' || world.left.hangs === 0) continue;
    for (const where of hangs) {
      const hung = await act(context, run, open, where);
      const isHung = ({ point, waits }: Run): boolean =>
        point === run.point && waits.length > run.waits.length;
      if (hung.world.runs.some(isHung)) steps.push(hung);
    }
  }
  return steps;
}

async function act(context: Context, run: Run, open: Open, hang?: Hang): Promise<Step> {
  const { runs } = context;
  const { action } = open;
  const world = hang ? spend(context.world, 'hangs') : context.world;
  const done = runs.act(action, world, hang);
  const sentence = `${run.point.program.name} ${sentenceOf(action, done.answer.value)}`;
  const wrong = trespass(context, run, action) ?? intrusion(context, action);
  const after: World = { ...world, machine: done.machine, claims: done.claims };
  const result = done.change?.result;
  if (typeof result === 'object' && 'waits' in result) {
    const waits = [...run.waits, { id: open.id, task: result.waits, writer: result.writer }];
    return { sentence, world: replace(after, run, { ...run, waits }), ...(wrong !== undefined && { wrong }) };
  }
  const locks =
    action.ask === 'lock'
      ? [...run.locks, action.name]
      : action.ask === 'unlock'
        ? run.locks.filter((name) => compareLocks(name, action.name) !== 0)
        : run.locks;
  const isOther = ({ point }: Run): boolean => point.program !== run.point.program;
  const settled = done.change ? await resume(context, after, done.change, isOther) : after;
  const step = await proceed(context, replace(settled, run, { ...run, locks }), {
    run: { ...run, locks },
    given: returned(run.point.question, open, done.answer),
    sentence,
  });
  // What another lane of this run waited for.
  const next = done.change
    ? await resume(context, step.world, done.change, (each) => !isOther(each))
    : step.world;
  const whole = { ...step, world: next };
  return wrong === undefined ? whole : { ...whole, wrong };
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
  const isSmooth = Object.values(setting.bounds).every((bound) => bound === 0);
  if (setting.isForAll === true && isSmooth && outcome.kind === 'failed')
    return `${name} fails: ${outcome.message}`;
  // What can be refused is refused before the first write.
  if (kind === 'prepare' && isSmooth && outcome.kind === 'failed' && point.writes > 0)
    return `${name} fails after it has written to the kernel: ${outcome.message}`;
  const refused =
    outcome.kind === 'failed' && ['VH_BUSY', 'VH_LOCK'].includes(outcome.code) && !isSecondRound(outcome);
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

/** What a second round is refused has been undone, and that is said. */
function isSecondRound({ message }: Outcome & { readonly kind: 'failed' }): boolean {
  return message.includes(' is not started');
}

/** The run when one of its calls waits no longer. */
function goingOn(run: Run, waiting: Waiting): Run {
  return { ...run, waits: run.waits.filter((each) => each !== waiting) };
}

/** Runs of which a waiting call has returned now go on. */
export async function resume(
  context: Context,
  world: World,
  { returned: results }: Change,
  which: (run: Run) => boolean = () => true,
): Promise<World> {
  let now = world;
  for (const { point } of world.runs.filter(which)) {
    for (;;) {
      const run = now.runs.find((each) => each.point.program === point.program);
      const waiting = run?.waits.find(({ task }) => results.has(task));
      if (!run || !waiting) break;
      const result = results.get(waiting.task);
      const value = answer(writeResult(result === undefined || result === 'ok' ? 'ok' : { errno: result }));
      const given = returned(run.point.question, waiting, value);
      now = (await proceed(context, now, { run: goingOn(run, waiting), given, sentence: '' })).world;
    }
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
  const run: Run = { point, locks: [], waits: [], orphan: false };
  const step: Step = {
    sentence: of.guest === undefined ? `somebody runs ${program.name}` : `libvirt calls ${program.name}`,
    world: { ...world, runs: inOrder([...world.runs, run]) },
  };
  if (point.question.ask !== 'end') return step;
  const wrong = wrongEnd(context, world, run, point.question.outcome);
  return { ...step, world: ended(world, run, point.question.outcome), ...(wrong !== undefined && { wrong }) };
}
