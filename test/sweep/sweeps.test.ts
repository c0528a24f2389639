import assert from 'node:assert/strict';
import { runSample, type Sample } from './sample.ts';
import { exampleHosts, subjects, unswept } from './subjects.ts';
import { sweeps } from './sweeps.ts';

const FIRST = 'amd-rdna3-desktop';

/** What runs here; `npm run test:sweep` runs everything. Sweeps of the compiled file: test/hook/sweeps.test.ts. */
const samples: Readonly<Record<string, Sample>> = {
  crash: { rate: 0.006, atLeast: 60, more: [FIRST, 0.06] },
  'crash pair': { rate: 0.006, atLeast: 8 },
  'crash in lanes': { rate: 0.02, atLeast: 10 },
  'torn claim': { rate: 0.006, atLeast: 120 },
  'kernel fault': { rate: 0.012, atLeast: 60, more: [FIRST, 0.4] },
  'read fault': { rate: 0.007, atLeast: 40, more: [FIRST, 0.12] },
  'disk fault': { rate: 0.01, atLeast: 40, more: [FIRST, 0.12] },
  'log fault': { rate: 0.1, atLeast: 2 },
  lock: { rate: 0.1, atLeast: 2 },
  'hostile XML': { rate: 0.003, atLeast: 180 },
  'hostile name': { rate: 0.01, atLeast: 50 },
  'hostile configuration': { rate: 0.1, atLeast: 300 },
  'hostile claim': { rate: 0.02, atLeast: 20 },
};

describe('sweeps, a sample', () => {
  for (const sweep of sweeps.filter(({ compiled }) => !compiled)) {
    it(sweep.name, async function () {
      this.timeout(120_000);
      const chosen = samples[sweep.name];
      assert.ok(chosen, 'nobody said how much of it is to run');
      await runSample(sweep, chosen);
    });
  }

  it('go over every example machine', () => {
    assert.deepEqual(
      subjects.map(({ host }) => host),
      exampleHosts().filter((host) => !unswept.includes(host)),
    );
  });
});
