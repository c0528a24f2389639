import assert from 'node:assert/strict';
import { formatValuePath } from '../../src/config/problem.ts';

describe('formatValuePath', () => {
  it('writes keys with dots and indexes in brackets', () => {
    assert.equal(formatValuePath(['devices', 0, 'bars', '2']), 'devices[0].bars.2');
    assert.equal(formatValuePath(['$schema']), '$schema');
    assert.equal(formatValuePath([]), '');
  });
  it('shows no key that is no word', () => {
    assert.equal(formatValuePath(['a', 'b c', 'd.e']), 'a[(no word)][(no word)]');
  });
});
