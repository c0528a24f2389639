import assert from 'node:assert/strict';
import { AFTER_STUCK_MS, budgetOf, LEAST_MS } from '../../src/engine/budget.ts';

/** A clock that a test moves. */
const clock = (): { at: number; now: () => number } => {
  const it = { at: 1000, now: () => it.at };
  return it;
};

describe('budgetOf', () => {
  it('gives a step what one write may take, or what is left of the run', () => {
    const time = clock();
    const budget = budgetOf(time, { kernelWrite: 30_000, run: 120_000 });
    assert.equal(budget.forStep(), 30_000);
    time.at += 100_000;
    assert.equal(budget.forStep(), 20_000);
    assert.equal(budget.exceeded(), undefined);
  });

  it('is exceeded when the run’s time is over, and still lets a child start', () => {
    const time = clock();
    const budget = budgetOf(time, { kernelWrite: 30_000, run: 120_000 });
    time.at += 119_999;
    assert.equal(budget.exceeded(), undefined);
    assert.equal(budget.forStep(), LEAST_MS);
    time.at += 1;
    assert.equal(budget.exceeded(), 120_000);
    assert.equal(budget.forStep(), LEAST_MS);
  });

  it('is never less than one write may take', () => {
    const time = clock();
    const budget = budgetOf(time, { kernelWrite: 300_000, run: 120_000 });
    assert.equal(budget.forStep(), 300_000);
    time.at += 299_000;
    assert.equal(budget.exceeded(), undefined);
  });

  it('gives all that is left half a second together once a write has not returned', () => {
    const time = clock();
    const budget = budgetOf(time, { kernelWrite: 30_000, run: 120_000 });
    time.at += 30_000;
    budget.writeIsStuck();
    assert.equal(budget.forStep(), AFTER_STUCK_MS);
    time.at += 200;
    // A second one gives no more time.
    budget.writeIsStuck();
    assert.equal(budget.forStep(), AFTER_STUCK_MS - 200);
    time.at += 200;
    assert.equal(budget.forStep(), LEAST_MS);
  });

  it('gives no step more than one write may take', () => {
    const time = clock();
    const budget = budgetOf(time, { kernelWrite: 100, run: 120_000 });
    budget.writeIsStuck();
    assert.equal(budget.forStep(), 100);
  });
});
