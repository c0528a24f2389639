import assert from 'node:assert/strict';
import { isStub } from '../../src/pci/stub.ts';

describe('isStub', () => {
  it('knows the drivers that only keep others away', () => {
    assert.deepEqual(['pci-stub', 'pciback', 'vfio-pci', undefined].map(isStub), [true, true, false, false]);
  });
});
