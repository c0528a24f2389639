import assert from 'node:assert/strict';
import { readDriverOption } from '../../src/cli/driver-option.ts';

const call = (driver?: string) => ({
  operands: [],
  lists: new Map(),
  options: new Map(driver === undefined ? [] : [['driver', driver]]),
});

describe('readDriverOption', () => {
  it('reads a name, and nothing where there is none', () => {
    assert.equal(readDriverOption(call('pci-stub')), 'pci-stub');
    assert.equal(readDriverOption(call()), undefined);
  });

  for (const name of ['', '../../tmp/d', '-r', 'a\nb', 'a\u009bb']) {
    it(`refuses ${JSON.stringify(name)}`, () => {
      assert.throws(() => readDriverOption(call(name)), { code: 'VH_USAGE' });
    });
  }
});
