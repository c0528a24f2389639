import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parsePageSize, poolKey, poolOf, poolWords } from '../../src/pci/hugepages.ts';

describe('a pool of huge pages', () => {
  it('is known by its key', () => {
    const pools = fc.record(
      { sizeKb: fc.integer({ min: 1, max: 2 ** 30 }), node: fc.nat(1023) },
      { requiredKeys: ['sizeKb'], noNullPrototype: true },
    );
    fc.assert(
      fc.property(pools, (pool) => {
        assert.deepEqual(poolOf(poolKey(pool)), pool);
      }),
    );
    assert.equal(poolKey({ sizeKb: 2048, node: 0 }), '2048kB node0');
    assert.equal(poolKey({ sizeKb: 1_048_576 }), '1048576kB');
  });

  it('is named as people do', () => {
    assert.equal(poolWords({ sizeKb: 2048 }), 'huge pages of 2 MiB');
    assert.equal(poolWords({ sizeKb: 1_048_576, node: 3 }), 'huge pages of 1 GiB on node 3');
    assert.equal(poolWords({ sizeKb: 64 }), 'huge pages of 64 KiB');
  });

  it('is none by another key', () => {
    for (const key of ['', '2048', '2048kB node', '2048kB node0/..', ' 2048kB'])
      assert.throws(() => poolOf(key), /is no pool/, key);
  });
});

describe('parsePageSize', () => {
  const rows = [
    ['2MiB', 2048],
    ['2M', 2048],
    ['1 GB', 1_048_576],
    ['64KiB', 64],
    ['16g', 16_777_216],
    ['512mib', 524_288],
    ['32KiB', undefined],
    ['32GiB', undefined],
    ['3MiB', undefined],
    ['0M', undefined],
    ['1T', undefined],
    ['2', undefined],
    ['2MiBs', undefined],
    ['1024M', undefined],
  ] as const;
  for (const [text, expected] of rows) {
    it(`${text}: ${expected ?? 'none'}`, () => {
      assert.equal(parsePageSize(text), expected);
    });
  }
});
