import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Host } from '../../src/host/host.ts';
import { cardsOf } from '../../src/observe/cards.ts';
import { slotOf } from '../../src/pci/address.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { planRestore } from '../../src/plan/restore.ts';
import { describeStep, isAlone } from '../../src/steps/index.ts';
import { stagesOf, type Stage } from '../../src/steps/lanes.ts';
import { subjectName, subjectOf, type Step } from '../../src/steps/step.ts';
import { beginWithMany, everything, outcome, situations, type Situation } from './situations.ts';

/** Where each lane is stopped and in which order they go, modulo what there is. */
const schedules = fc.infiniteStream(fc.nat(1000));

describe('lanes on any machine', function () {
  this.timeout(60_000);

  it('never meet: no two of a stage are about one thing, or about functions of one card', async () => {
    let most = 0;
    await fc.assert(
      fc.asyncProperty(situations, schedules, async (situation, random) => {
        const { host, made, back } = await thereAndBack(situation, random);
        for (const steps of [made.steps, back]) {
          const stages = cut(host, steps);
          for (const lanes of stages) {
            most = Math.max(most, lanes.length);
            apart(lanes, (step) => subjectName(subjectOf(step)));
            apart(lanes, slotOfStep);
          }
        }
      }),
      { numRuns: 20 },
    );
    assert.ok(most >= 8, `at most ${most} lanes were seen side by side`);
  });

  it('have every step of the plan once, those of one card in its order, and a lonely one by itself', async () => {
    await fc.assert(
      fc.asyncProperty(situations, schedules, async (situation, random) => {
        const { host, made, back } = await thereAndBack(situation, random);
        for (const steps of [made.steps, back]) {
          const stages = cut(host, steps);
          assert.deepEqual(new Set(stages.flat(2)), new Set(steps));
          assert.equal(stages.flat(2).length, steps.length);
          for (const lane of stages.flat()) {
            const places = lane.map((step) => steps.indexOf(step));
            assert.deepEqual(
              places,
              [...places].sort((a, b) => a - b),
            );
            if (lane.some(isAlone)) assert.equal(lane.length, 1);
          }
          for (const lanes of stages) if (lanes.flat().some(isAlone)) assert.equal(lanes.length, 1);
          // What is of one kind is done before what follows it: no card is bound while another one has its old driver.
          const kinds = stages.map((lanes) => lanes[0]?.[0]?.kind);
          if (kinds.includes('unbind') && kinds.includes('bind'))
            assert.ok(kinds.lastIndexOf('unbind') < kinds.indexOf('bind'));
        }
      }),
      { numRuns: 10 },
    );
  });

  it('come to the same in whichever order their steps are done', async () => {
    await fc.assert(
      fc.asyncProperty(situations, schedules, async (situation, random) => {
        const inOrder = await beginWithMany(situation);
        for (const step of inOrder.made.steps)
          assert.equal(await outcome(inOrder.host, inOrder.made, step), 'fine');
        const mixed = await beginWithMany(situation);
        for (const lanes of cut(mixed.host, mixed.made.steps)) await doMixed(mixed, lanes, random);
        assert.deepEqual(await everything(mixed.host), await everything(inOrder.host));
      }),
      { numRuns: 10 },
    );
  });

  it('are undone by planRestore wherever each of them stops, to the last attribute', async () => {
    await fc.assert(
      fc.asyncProperty(situations, schedules, async (situation, random) => {
        const { host, made, before, back } = await thereAndBack(situation, random);
        for (const lanes of cut(host, back)) await doMixed({ host, made }, lanes, random);
        assert.deepEqual((await everything(host)).devices, before);
        assert.deepEqual(planRestore({ devices: made.devices }, await everything(host)).steps, []);
      }),
      { numRuns: 20 },
    );
  });
});

function cut(host: Host, steps: readonly Step[]): Stage[] {
  const devices = steps.flatMap((step) => subjectOf(step).device ?? []);
  return stagesOf(steps, cardsOf(host, devices));
}

/** Plans a start, stops in one of its stages with each lane somewhere else, and plans the way back from there. */
async function thereAndBack(
  situation: Situation,
  random: Iterator<number>,
): Promise<{ host: Host; made: Plan; before: unknown; back: readonly Step[] }> {
  const { host, made } = await beginWithMany(situation);
  const before = (await everything(host)).devices;
  const stages = cut(host, made.steps);
  const last = next(random) % (stages.length + 1);
  for (const lanes of stages.slice(0, last)) await doMixed({ host, made }, lanes, random);
  const stopped = (stages[last] ?? []).map((lane) => lane.slice(0, next(random) % (lane.length + 1)));
  await doMixed({ host, made }, stopped, random);
  return { host, made, before, back: planRestore({ devices: made.devices }, await everything(host)).steps };
}

/** Does the steps of lanes, each lane in its order, and the lanes in any. */
async function doMixed(
  { host, made }: { readonly host: Host; readonly made: Plan },
  lanes: Stage,
  random: Iterator<number>,
): Promise<void> {
  let left = lanes.map((lane) => [...lane]).filter((lane) => lane.length > 0);
  while (left.length > 0) {
    const step = left[next(random) % left.length]?.shift();
    if (step) assert.equal(await outcome(host, made, step), 'fine');
    left = left.filter((lane) => lane.length > 0);
  }
}

function next(random: Iterator<number>): number {
  return random.next().value as number;
}

function slotOfStep(step: Step): string {
  const subject = subjectOf(step);
  return subject.device === undefined ? subjectName(subject) : slotOf(subject.device);
}

/** No two lanes have the same of something. */
function apart(lanes: Stage, what: (step: Step) => string): void {
  const seen = new Map<string, number>();
  for (const [number, lane] of lanes.entries()) {
    for (const step of lane) {
      const other = seen.get(what(step)) ?? number;
      assert.equal(other, number, `two lanes have ${what(step)}: ${describeStep(step)}`);
      seen.set(what(step), number);
    }
  }
}
