import assert from 'node:assert/strict';
import { prefixOf } from './job.ts';
import { sample } from './selection.ts';
import type { Sweep } from './sweep.ts';
import { sum, Tally, type Totals } from './tally.ts';

/** How much of a sweep runs with every change. */
export interface Sample {
  /** Of all points, 0 to 1; the same ones in every run. */
  readonly rate: number;
  /** Points that must have been run: a sample of nothing proves nothing. */
  readonly atLeast: number;
  /** Parts that begin with this run at a rate of their own. */
  readonly more?: readonly [part: string, rate: number];
}

/** Runs a sample of a sweep in this process. Fails with the first bad points. */
export async function runSample(sweep: Sweep, { rate, atLeast, more }: Sample): Promise<void> {
  const totals: Totals[] = [];
  for (const part of sweep.parts) {
    const rateHere = more && part.startsWith(more[0]) ? more[1] : rate;
    const tally = new Tally(prefixOf({ sweep: sweep.name, part }), sample(rateHere));
    await sweep.run(part, tally);
    totals.push(tally.totals());
  }
  const { points, bad } = sum(totals);
  const shown = bad.slice(0, 3).map(({ point, why }) => `${point}\n${why}`);
  assert.equal(bad.length, 0, `${bad.length} bad points\n${shown.join('\n\n')}`);
  assert.ok(points >= atLeast, `only ${points} points`);
}
