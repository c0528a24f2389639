import assert from 'node:assert/strict';
import fc from 'fast-check';
import { planRestore } from '../../src/plan/restore.ts';
import { subjectOf } from '../../src/steps/step.ts';
import { describeStep } from '../../src/steps/index.ts';
import { begin, everything, outcome, situations } from './situations.ts';

describe('plan on any machine', function () {
  this.timeout(60_000);

  it('touches no device outside the groups, and each member has one verdict', async () => {
    await fc.assert(
      fc.asyncProperty(situations, async (situation) => {
        const { made, snapshot } = await begin(situation);
        const members = snapshot.groups.flatMap((group) => group.members);
        for (const step of made.steps) {
          const { device } = subjectOf(step);
          assert.ok(device === undefined || members.includes(device), describeStep(step));
        }
        assert.deepEqual(made.verdicts.map(({ device }) => device).sort(), [...members].sort());
      }),
      { numRuns: 30 },
    );
  });

  it('never unbinds a bridge or a chipset function, and never binds before every unbind', async () => {
    await fc.assert(
      fc.asyncProperty(situations, async (situation) => {
        const { made, snapshot } = await begin(situation);
        const kinds = made.steps.map(({ kind }) => kind);
        if (kinds.includes('bind')) assert.ok(kinds.lastIndexOf('unbind') < kinds.indexOf('bind'));
        for (const step of made.steps) {
          const device = snapshot.devices.find(({ address }) => address === subjectOf(step).device);
          assert.ok(device?.headerType !== 'bridge' && !device?.class.startsWith('0c05'), describeStep(step));
        }
      }),
      { numRuns: 20 },
    );
  });

  it('binds nothing that the host uses, and says every use, unless it is allowed', async () => {
    let used = 0;
    await fc.assert(
      fc.asyncProperty(situations, async (situation) => {
        const { made, snapshot } = await begin(situation, []);
        for (const verdict of made.verdicts) {
          const uses = snapshot.uses.filter(({ device }) => device === verdict.device);
          used += uses.length;
          if (uses.length === 0) continue;
          assert.equal(verdict.kind, 'refuse');
          if (verdict.code === 'host-use') assert.deepEqual(verdict.uses, uses);
          assert.deepEqual([made.steps, made.devices], [[], []]);
        }
      }),
      { numRuns: 30 },
    );
    assert.ok(used > 0, 'nothing was used in any of the situations');
  });

  it('is undone by planRestore after any number of its steps, to the last attribute', async () => {
    await fc.assert(
      fc.asyncProperty(situations, async (situation) => {
        const { host, made } = await begin(situation);
        const before = await everything(host);
        const stop = (situation.picks[0] ?? 0) % (made.steps.length + 1);
        for (const step of made.steps.slice(0, stop)) assert.equal(await outcome(host, made, step), 'fine');

        const way = planRestore({ devices: made.devices }, await everything(host));
        for (const step of way.steps) assert.equal(await outcome(host, made, step), 'fine');
        assert.deepEqual((await everything(host)).devices, before.devices);
        assert.deepEqual(planRestore({ devices: made.devices }, await everything(host)).steps, []);
      }),
      { numRuns: 30 },
    );
  });
});
