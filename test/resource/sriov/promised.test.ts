import assert from 'node:assert/strict';
import { promisedAddresses } from '../../../src/pci/routing.ts';
import { vfAddress } from '../../../simulator/sriov.ts';
import { pci } from '../../scenario.ts';

describe('promisedAddresses', () => {
  const rows = [
    ['0000:02:00.0', 3, 0x80, 2, ['0000:02:10.0', '0000:02:10.2', '0000:02:10.4']],
    ['0000:17:00.1', 2, 79, 1, ['0000:17:0a.0', '0000:17:0a.1']],
    ['0001:00:1f.7', 2, 1, 1, ['0001:01:00.0', '0001:01:00.1']],
    ['0000:02:00.0', 0, 0x80, 2, []],
    // Beyond the last bus there is none.
    ['0000:ff:1f.6', 3, 1, 1, ['0000:ff:1f.7']],
  ] as const;
  for (const [card, count, offset, stride, expected] of rows) {
    it(`${count} of ${card} at ${offset} and every ${stride}: ${expected.join(', ') || 'none'}`, () => {
      assert.deepEqual(promisedAddresses(pci(card), count, { offset, stride }), expected);
    });
  }

  it('is where the kernel puts them', () => {
    const routing = { offset: 0x80, stride: 2, totalVfs: 7, numVfs: 0, vfDevice: '', vfBars: [] };
    const simulated = [0, 1, 2, 3, 4, 5, 6].map((index) => vfAddress('0000:02:00.0', routing, index));
    assert.deepEqual(promisedAddresses(pci('0000:02:00.0'), 7, routing), simulated);
  });
});
