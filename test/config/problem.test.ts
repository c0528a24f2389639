import assert from 'node:assert/strict';
import { formatValuePath } from '../../src/config/problem.ts';

describe('formatValuePath', () => {
  it('writes keys with dots and indexes in brackets', () => {
    assert.equal(formatValuePath(['devices', 0, 'bars', '2']), 'devices[0].bars.2');
    assert.equal(formatValuePath(['$schema']), '$schema');
    assert.equal(formatValuePath([]), '');
  });
  it('quotes keys that could be taken for something else', () => {
    assert.equal(formatValuePath(['a', 'b c', 'd.e']), 'a["b c"]["d.e"]');
  });
});
