import assert from 'node:assert/strict';
import { boundDriver } from '../../src/observe/bound-driver.ts';
import { pci } from '../scenario.ts';
import { fakeHost } from '../host/fake-host.ts';

describe('boundDriver', () => {
  const host = fakeHost({
    links: { '/sys/bus/pci/devices/0000:03:00.0/driver': '../../../../bus/pci/drivers/amdgpu' },
    files: { '/sys/bus/pci/devices/0000:03:00.1/vendor': '0x1002\n' },
  });

  it('is the name at the end of the link', () => {
    assert.equal(boundDriver(host, pci('0000:03:00.0')), 'amdgpu');
  });

  it('is none for a device without a driver, and for one that is not there', () => {
    assert.equal(boundDriver(host, pci('0000:03:00.1')), undefined);
    assert.equal(boundDriver(host, pci('0000:04:00.0')), undefined);
  });
});
