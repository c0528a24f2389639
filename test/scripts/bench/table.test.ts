import assert from 'node:assert/strict';
import { medianOf, spreadOf, type Row, tableLine, type Values } from '../../../scripts/bench/table.ts';

const samples: Readonly<Record<string, readonly (number | undefined)[]>> = {
  bare: [20, 10, 40],
  hook: [80, 50, 100],
  'hook with more': [90, 55, undefined],
};
const values: Values = (form, measure, round) => (measure === 'CPU' ? samples[form]?.[round] : undefined);
const row: Row = { what: 'hook', against: 'bare', measure: 'CPU', of: 'hook', by: 'bare' };

describe('the table of the benchmarks', () => {
  it('takes the ratio of each round, and not that of the medians', () => {
    assert.deepEqual(spreadOf(row, values, 3), { median: 4, smallest: 2.5, largest: 5, rounds: 3 });
  });

  it('takes a difference of one round, of the rounds that have both', () => {
    const more: Row = { ...row, of: 'hook with more', less: 'hook' };
    assert.deepEqual(spreadOf(more, values, 3), { median: 0.5, smallest: 0.5, largest: 0.5, rounds: 2 });
  });

  it('divides by a number where there is no form to compare with', () => {
    const each: Row = {
      what: 'each',
      against: 'none',
      measure: 'CPU',
      of: 'hook with more',
      less: 'hook',
      per: 5,
    };
    assert.deepEqual(spreadOf(each, values, 3), { median: 1.5, smallest: 1, largest: 2, rounds: 2 });
  });

  it('has nothing to say of what was not measured', () => {
    assert.equal(spreadOf({ ...row, measure: 'memory' }, values, 3), undefined);
    assert.equal(spreadOf({ ...row, of: 'another' }, values, 3), undefined);
  });

  it('knows the middle of an even and an odd number of values', () => {
    assert.equal(medianOf([1, 2, 10]), 2);
    assert.equal(medianOf([1, 2, 4, 10]), 3);
  });

  it('prints ratios without a unit and milliseconds with one', () => {
    const spread = { median: 4.2, smallest: 0.0412, largest: 5, rounds: 3 };
    assert.equal(
      tableLine({ ...row, aim: 2.2 }, spread),
      '| hook | bare | CPU | 4.20 | 0.041 – 5.00 | <= 2.2 |',
    );
    assert.equal(
      tableLine({ what: 'one more', against: 'none', measure: 'CPU', of: 'hook', per: 2, aim: 4 }, spread),
      '| one more | none | CPU | 4.2 ms | 0.0 ms – 5.0 ms | <= 4 ms |',
    );
  });
});
