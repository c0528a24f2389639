import assert from 'node:assert/strict';
import { SimulatedKill, type SimulatedHost } from '../../simulator/host.ts';
import type { Scenario } from '../scenario.ts';
import { aroundHost, intercept, type Around, type Call } from './calls.ts';
import { callsOf, comesToRest, HANG, remainsOf, runs, ways } from './deaths.ts';
import { onStage, type Stage } from './stage.ts';
import { subjects } from './subjects.ts';
import type { Sweep } from './sweep.ts';

/**
 * When a process dies: before or after a call; `half`: with half of a file written; `during`: while the call
 * waits in the kernel, which finishes it when the process is long dead.
 */
type Moment = 'before' | 'half' | 'during' | 'after';

/** Where and when a process dies. */
interface Death {
  /** Which call, counted from 0. */
  readonly index: number;
  readonly moment: Moment;
  readonly call: Call;
}

/**
 * Every call of prepare and of release is the last one of its process, on every machine; then every way back.
 * After one call is before the next one: where deaths leave the very same, the ways back are walked once for all.
 */
export const crashes: Sweep = {
  name: 'crash',
  parts: subjects.flatMap(({ host }) => [`${host} prepare`, `${host} release`]),
  run: async (part, tally) => {
    const [host = '', phase = ''] = part.split(' ');
    const walked = new Set<string>();
    await onStage(host, async (stage) => {
      await eachDeath(
        stage,
        phase,
        async (death, left) => {
          const waiting = death.moment === 'during' ? [death.call] : [];
          const remains = remainsOf(stage.s, waiting);
          for (const [way, comeToRest] of Object.entries(ways)) {
            await tally.point(`${nameOf(death)}, then ${way}`, async () => {
              if (walked.has(remains + way)) return;
              walked.add(remains + way);
              left();
              await comesToRest(stage, waiting, comeToRest);
            });
          }
        },
        (death) => Object.keys(ways).some((way) => tally.takes(`${nameOf(death)}, then ${way}`)),
      );
    });
  },
};

/** After a death, what puts the machine in order dies as well, anywhere; then a way back. */
export const crashPairs: Sweep = {
  name: 'crash pair',
  parts: subjects.flatMap(({ host }) => [`${host} prepare`, `${host} release`]),
  run: async (part, tally) => {
    const [host = '', phase = ''] = part.split(' ');
    await onStage(host, async (stage) => {
      await eachDeath(
        stage,
        phase,
        async (death, left) => {
          await tally.point(again(death), async () => {
            left();
            await diesAgain(stage, death, tally.numberOf(again(death)));
          });
        },
        (death) => tally.takes(again(death)),
      );
    });
  },
};

function again(death: Death): string {
  return `${nameOf(death)}, and again`;
}

/** The second death: `number` decides which run it hits, where, and which way back follows. */
async function diesAgain(stage: Stage, first: Death, number: number): Promise<void> {
  const { s } = stage;
  if (first.moment === 'during') s.happens({ do: 'release-fault', id: HANG });
  const second = Object.entries(runs)[number % 3]!;
  const way = Object.entries(ways)[Math.floor(number / 3) % 4]!;
  const before = s.save();
  const calls = await callsOf(s, () => second[1](stage));
  before();
  const deaths = deathsOf(calls).filter(({ moment }) => moment !== 'during');
  const death = deaths[Math.floor(number / 12) % Math.max(1, deaths.length)];
  // A run that found nothing to do, after a release that had done everything.
  if (death) await dies(s, death, () => second[1](stage));
  try {
    await way[1](stage);
    s.nothingDiffers();
  } catch (error) {
    const where = death ? nameOf(death) : 'nowhere';
    throw new Error(`then ${second[0]} died ${where}, then ${way[0]}`, { cause: error });
  }
}

/** Calls back with each death of a phase and what brings everything back to the moment after it. */
async function eachDeath(
  stage: Stage,
  phase: string,
  action: (death: Death, left: () => void) => Promise<void>,
  wanted: (death: Death) => boolean,
): Promise<void> {
  const { s } = stage;
  const run = phase === 'prepare' ? runs.prepare : runs.release;
  if (phase === 'release') await s.prepare(stage.domain);
  const back = s.save();
  const deaths = deathsOf(await callsOf(s, () => run(stage)));
  for (const death of deaths) {
    if (!wanted(death)) continue;
    back();
    await dies(s, death, () => run(stage));
    await action(death, s.save());
  }
}

function deathsOf(calls: readonly Call[]): Death[] {
  return calls.flatMap((call, index) => momentsOf(call).map((moment) => ({ index, moment, call })));
}

function momentsOf(call: Call): readonly Moment[] {
  if (call.kind === 'kernel') return ['before', 'during', 'after'];
  return call.name.startsWith('write ') ? ['before', 'half', 'after'] : ['before', 'after'];
}

function nameOf({ index, moment, call }: Death): string {
  return `dies ${moment} call ${index + 1} (${call.name})`;
}

/** Runs until the process dies there. Nothing that it does afterwards happens. */
async function dies(s: Scenario, death: Death, run: () => Promise<unknown>): Promise<void> {
  let at = 0;
  let dead = false;
  let met: Call | undefined;
  const die = (): never => {
    dead = true;
    host?.die();
    throw new SimulatedKill();
  };
  let host: SimulatedHost | undefined;
  const around: Around = (call, make, half) => {
    if (dead) throw new SimulatedKill();
    if (at++ !== death.index) return make();
    met = call;
    switch (death.moment) {
      case 'before':
        return die();
      case 'half':
        half?.();
        return die();
      case 'during': {
        const on = call.name.startsWith('load ') ? 'load' : 'write';
        s.machine.perform({ do: 'fault', rule: { id: HANG, on, effect: { kind: 'hang' } } });
        const call_ = make();
        if (call_ instanceof Promise) call_.catch(() => undefined);
        return die();
      }
      case 'after': {
        const made = attempt(make);
        return (made instanceof Promise ? made.then(die, die) : die()) as ReturnType<typeof make>;
      }
    }
  };
  s.wrapHost = (real) => {
    host = real;
    return aroundHost(real, around);
  };
  try {
    await intercept(s.directory, around, run).catch(() => undefined);
  } finally {
    s.wrapHost = (real) => real;
  }
  assert.deepEqual(met, death.call, `the run took another way this time, of ${at} calls`);
  assert.ok(dead, 'it did not die');
}

/** Makes a call; that it fails, as the mkdir(2) of a directory that is there, does not matter any more. */
function attempt(call: () => unknown): unknown {
  try {
    return call();
  } catch {
    return undefined;
  }
}
