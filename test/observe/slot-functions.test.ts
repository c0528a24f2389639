import assert from 'node:assert/strict';
import { slotFunctions } from '../../src/observe/slot-functions.ts';
import { pci } from '../scenario.ts';
import { fakeHost } from '../host/fake-host.ts';

describe('slotFunctions', () => {
  const host = fakeHost({
    empty: ['0000:03:00.0', '0000:03:00.1', '0000:03:01.0', '10000:03:00.0', 'not-an-address'].map(
      (name) => `/sys/bus/pci/devices/${name}`,
    ),
  });

  it('are the functions of one slot, in one domain', () => {
    assert.deepEqual(slotFunctions(host, pci('0000:03:00.1')), ['0000:03:00.0', '0000:03:00.1']);
    assert.deepEqual(slotFunctions(host, pci('10000:03:00.0')), ['10000:03:00.0']);
    assert.deepEqual(slotFunctions(host, pci('0000:05:00.0')), []);
  });
});
