import assert from 'node:assert/strict';
import { hasModules, moduleFile } from '../../src/observe/modules.ts';
import { fakeHost } from '../host/fake-host.ts';

const host = fakeHost({
  files: {
    '/lib/modules/6.12/modules.dep':
      'kernel/drivers/vfio/pci/vfio-pci.ko.zst: kernel/drivers/vfio/vfio.ko.zst\nkernel/a.ko:\nb_c.ko.gz:\n',
  },
});

describe('moduleFile', () => {
  for (const [name, module] of [
    ['vfio-pci', 'vfio_pci'],
    ['vfio_pci', 'vfio_pci'],
    ['a', 'a'],
    ['b-c', 'b_c'],
    ['pci', undefined],
    ['vfio', undefined],
    ['.*', undefined],
  ] as const) {
    it(`${name}: ${module ?? 'no module'}`, () => {
      assert.equal(moduleFile(host, '6.12', name), module);
    });
  }

  it('finds none without the files of the kernel', () => {
    assert.equal(moduleFile(host, '6.13', 'a'), undefined);
  });
});

describe('hasModules', () => {
  it('tells a host that keeps them elsewhere', () => {
    assert.equal(hasModules(host), true);
    assert.equal(hasModules(fakeHost({})), false);
  });
});
