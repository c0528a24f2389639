import assert from 'node:assert/strict';
import { kindOfDriver, type DriverFacts, type DriverKind } from '../../src/pci/known-driver.ts';

const nothing: Omit<DriverFacts, 'name'> = { registered: false, offered: false, servesHost: false };

const rows: readonly [what: string, facts: DriverFacts, kind: DriverKind][] = [
  ['neither registered nor a module', { ...nothing, name: 'vfio-pci' }, 'missing'],
  ['vfio-pci as a module', { ...nothing, name: 'vfio-pci', module: 'vfio_pci' }, 'vfio'],
  ['vfio-pci as a part of the kernel', { ...nothing, name: 'vfio_pci', registered: true }, 'vfio'],
  ['a variant by its name', { ...nothing, name: 'my-vfio-pci', module: 'my_vfio_pci' }, 'vfio'],
  ['a driver that a vfio_pci: line offers', { ...nothing, name: 'x', module: 'x', offered: true }, 'vfio'],
  ['a stub', { ...nothing, name: 'pci-stub', registered: true }, 'stub'],
  ['a stub by its module', { ...nothing, name: 'pci_stub', module: 'pci_stub' }, 'stub'],
  ['a module with pci: lines', { ...nothing, name: 'amdgpu', module: 'amdgpu', servesHost: true }, 'host'],
  ['a part of the kernel without a vfio name', { ...nothing, name: 'ahci', registered: true }, 'host'],
  ['a module without any line', { ...nothing, name: 'uio_pci_generic', module: 'uio_pci_generic' }, 'other'],
];

describe('kindOfDriver', () => {
  for (const [what, facts, kind] of rows) {
    it(`${what}: ${kind}`, () => {
      assert.equal(kindOfDriver(facts), kind);
    });
  }
});
