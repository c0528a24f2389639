import assert from 'node:assert/strict';
import { runSample, type Sample } from '../sweep/sample.ts';
import { sweeps } from '../sweep/sweeps.ts';

/** What runs here of the sweeps that run the compiled file; `npm run test:sweep` runs everything. */
const samples: Readonly<Record<string, Sample>> = {
  'killed hook': { rate: 0.08, atLeast: 3 },
  contention: { rate: 0.02, atLeast: 5 },
  'hostile size': { rate: 0.1, atLeast: 2 },
};

describe('sweeps over the compiled hook, a sample', () => {
  for (const sweep of sweeps.filter(({ compiled }) => compiled)) {
    it(sweep.name, async function () {
      this.timeout(120_000);
      const chosen = samples[sweep.name];
      assert.ok(chosen, 'nobody said how much of it is to run');
      await runSample(sweep, chosen);
    });
  }
});
