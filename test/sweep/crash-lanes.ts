import assert from 'node:assert/strict';
import { SimulatedKill, type SimulatedHost } from '../../simulator/host.ts';
import { cardsOf } from '../../src/observe/cards.ts';
import { aroundHost, intercept, type Around, type Call } from './calls.ts';
import { callsOf, comesToRest, deviceOf, HANG, remainsOf, runs, ways } from './deaths.ts';
import { onStage, type Stage } from './stage.ts';
import { subjects } from './subjects.ts';
import type { Sweep } from './sweep.ts';

/** Writes of one kind for several cards, which are made side by side. */
interface WritingStage {
  /** Which call of the kernel is its first, counted from 0. */
  readonly first: number;
  readonly kind: string;
  /** The calls for each card. */
  readonly lanes: ReadonlyMap<string, readonly Call[]>;
}

/**
 * Where a process dies: how many of each card's calls it has made in one stage. `during`: the next call of every card
 * is made as well, waits in the kernel, and ends when the process is long dead.
 */
interface LanesDeath {
  readonly stage: WritingStage;
  readonly made: ReadonlyMap<string, number>;
  readonly moment: 'before' | 'during';
}

/** Processes that die while they work on several cards at once: each card is anywhere in its lane, whatever the others are. */
export const laneCrashes: Sweep = {
  name: 'crash in lanes',
  parts: subjects.flatMap(({ host }) => [`${host} prepare`, `${host} release`]),
  run: async (part, tally) => {
    const [host = '', phase = ''] = part.split(' ');
    const walked = new Set<string>();
    await onStage(host, async (stage) => {
      const { s } = stage;
      const run = phase === 'prepare' ? runs.prepare : runs.release;
      if (phase === 'release') await s.prepare(stage.domain);
      const back = s.save();
      const calls = await callsOf(s, () => run(stage));
      back();
      for (const death of stagesOfCalls(stage, calls).flatMap(deathsIn)) {
        const points = Object.entries(ways).filter(([way]) => tally.takes(`${nameOf(death)}, then ${way}`));
        if (points.length === 0) continue;
        back();
        const waiting = await dies(stage, death, run);
        const remains = remainsOf(s, waiting);
        const left = s.save();
        for (const [way, comeToRest] of points) {
          await tally.point(`${nameOf(death)}, then ${way}`, async () => {
            if (walked.has(remains + way)) return;
            walked.add(remains + way);
            left();
            await comesToRest(stage, waiting, comeToRest);
          });
        }
      }
    });
  },
};

/** The stages of more than one card, from what a run does that nothing happens to. */
function stagesOfCalls({ s }: Stage, all: readonly Call[]): WritingStage[] {
  const calls = all.filter(({ kind }) => kind === 'kernel');
  const cardOf = cardsOf(s.machine.host(), calls.flatMap(deviceOf));
  const stages: { first: number; kind: string; lanes: Map<string, Call[]> }[] = [];
  for (const [index, call] of calls.entries()) {
    const [device] = deviceOf(call);
    const kind = device === undefined ? `call ${index}` : kindOf(call);
    if (stages.at(-1)?.kind !== kind) stages.push({ first: index, kind, lanes: new Map() });
    const lanes = stages.at(-1)?.lanes;
    if (device !== undefined) lanes?.set(cardOf(device), [...(lanes.get(cardOf(device)) ?? []), call]);
  }
  return stages.filter(({ lanes }) => lanes.size > 1);
}

/** `unbind`, `bind`, or an attribute of a device; each resize is of a kind of its own. */
function kindOf({ name }: Call): string {
  if (name.includes('_resize ')) return name;
  return /\/((?:un)?bind|drivers_probe) </.exec(name)?.[1] ?? 'set';
}

/** Every product of prefixes but those that a death between two stages is. */
function deathsIn(stage: WritingStage): LanesDeath[] {
  let products: (readonly (readonly [card: string, made: number])[])[] = [[]];
  for (const [card, calls] of stage.lanes) {
    products = products.flatMap((product) =>
      Array.from({ length: calls.length + 1 }, (_, made) => [...product, [card, made] as const]),
    );
  }
  const whole = [...stage.lanes.values()].flat().length;
  return products
    .map((product) => ({ made: new Map(product), sum: product.reduce((sum, [, made]) => sum + made, 0) }))
    .flatMap(({ made, sum }): LanesDeath[] => [
      ...(sum > 0 && sum < whole ? [{ stage, made, moment: 'before' } as const] : []),
      ...(sum < whole ? [{ stage, made, moment: 'during' } as const] : []),
    ]);
}

function nameOf({ stage, made, moment }: LanesDeath): string {
  const where = [...made].map(([card, count]) => `${card} after ${count}`).join(', ');
  return `dies ${moment} the next ${stage.kind} of each card, call ${stage.first + 1} (${where})`;
}

/** Runs until the process dies there; returns the calls that wait in the kernel then. */
async function dies(
  { s, ...rest }: Stage,
  { stage, made, moment }: LanesDeath,
  run: (stage: Stage) => Promise<unknown>,
): Promise<readonly Call[]> {
  const cards = new Map([...stage.lanes].flatMap(([card, calls]) => calls.map(({ name }) => [name, card])));
  const whole = [...stage.lanes.values()].flat().length;
  const left = new Map(made);
  const held: { readonly call: Call; readonly make: () => unknown; readonly end: (why: Error) => void }[] =
    [];
  let at = 0;
  let dead = false;
  let host: SimulatedHost | undefined;
  const dieIfAllAreThere = (): void => {
    const missing = [...left.values()].some((count) => count > 0);
    if (missing || held.length < [...made].filter(([card, count]) => count < lengthOf(stage, card)).length)
      return;
    dead = true;
    if (moment === 'during') {
      const rule = { id: HANG, on: 'write', times: held.length, effect: { kind: 'hang' } } as const;
      s.machine.perform({ do: 'fault', rule });
      for (const { make } of held) void Promise.resolve(make()).catch(() => undefined);
    }
    host?.die();
    for (const { end } of held) end(new SimulatedKill());
  };
  const around: Around = (call, make) => {
    if (dead) throw new SimulatedKill();
    if (call.kind !== 'kernel') return make();
    const index = at++;
    if (index < stage.first || index >= stage.first + whole) return make();
    const card = cards.get(call.name);
    assert.ok(card !== undefined, `${call.name} is of another stage: the run took another way this time`);
    const more = left.get(card) ?? 0;
    if (more > 0) {
      left.set(card, more - 1);
      const result = make();
      dieIfAllAreThere();
      return result;
    }
    const waits = new Promise((_, reject) => held.push({ call, make, end: reject }));
    dieIfAllAreThere();
    return waits as ReturnType<typeof make>;
  };
  s.wrapHost = (real) => {
    host = real;
    return aroundHost(real, around);
  };
  try {
    await intercept(s.directory, around, () => run({ s, ...rest })).catch(() => undefined);
  } finally {
    s.wrapHost = (real) => real;
  }
  assert.ok(dead, `it did not die: ${[...left].join()} were left, ${held.length} waited`);
  return moment === 'during' ? held.map(({ call }) => call) : [];
}

function lengthOf({ lanes }: WritingStage, card: string): number {
  return lanes.get(card)?.length ?? 0;
}
