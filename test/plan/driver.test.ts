import assert from 'node:assert/strict';
import type { Snapshot } from '../../src/pci/snapshot.ts';
import { chooseDriver, driverRefusal, type DriverUse, type DriverWishes } from '../../src/plan/driver.ts';
import { device, snapshot } from './snapshots.ts';

const mlx5 = device('03:00.0', { modalias: 'pci:v000015B3d0000101Esv000015B3sd00000001bc02sc00i00' });
const any = { pattern: 'v*d*sv*sd*bc*sc*i*', module: 'vfio_pci' };
const exact = { pattern: 'v000015B3d0000101Esv*sd*bc*sc*i*', module: 'mlx5_vfio_pci' };

const rows: readonly { name: string; facts: Partial<Snapshot>; wishes?: DriverWishes; expect: string }[] = [
  { name: 'takes vfio-pci when no alias matches', facts: {}, expect: 'vfio-pci' },
  { name: 'takes the matching variant', facts: { variants: [exact] }, expect: 'mlx5_vfio_pci' },
  {
    name: 'takes the variant with libvirt 10.0',
    facts: { variants: [exact], libvirtVersion: '10.0.0' },
    expect: 'mlx5_vfio_pci',
  },
  {
    name: 'takes vfio-pci before libvirt 10',
    facts: { variants: [exact], libvirtVersion: '9.10.0' },
    expect: 'vfio-pci',
  },
  {
    name: 'prefers the alias with fewer wildcards',
    facts: { variants: [any, exact] },
    expect: 'mlx5_vfio_pci',
  },
  { name: 'takes the name under which vfio_pci registers', facts: { variants: [any] }, expect: 'vfio-pci' },
  {
    name: 'takes the XML’s model over the alias',
    facts: { variants: [exact] },
    wishes: { model: 'vfio-pci' },
    expect: 'vfio-pci',
  },
  {
    name: 'takes the configuration’s driver over both',
    facts: { variants: [exact] },
    wishes: { model: 'mlx5_vfio_pci', configured: 'pci-stub' },
    expect: 'pci-stub',
  },
  {
    name: 'finds the registered spelling of a dash',
    facts: { drivers: ['my_driver'] },
    wishes: { model: 'my-driver' },
    expect: 'my_driver',
  },
  {
    name: 'finds the registered spelling of an underscore',
    facts: { drivers: ['my-driver'] },
    wishes: { model: 'my_driver' },
    expect: 'my-driver',
  },
  {
    name: 'knows vfio_pci by its driver’s name before it is loaded',
    facts: { drivers: [] },
    wishes: { model: 'vfio_pci' },
    expect: 'vfio-pci',
  },
];

describe('chooseDriver', () => {
  for (const { name, facts, wishes = {}, expect } of rows) {
    it(name, () => {
      assert.equal(chooseDriver(mlx5, snapshot([mlx5], facts), wishes), expect);
    });
  }
});

describe('driverRefusal', () => {
  const kinds = ['vfio', 'stub', 'host', 'other', 'missing'] as const;
  const refused = (use: DriverUse): string[] =>
    kinds.filter((kind) => driverRefusal({ name: 'x', kind }, use) !== undefined);

  it('lets nobody have a driver of the host or none, and no guest a stub', () => {
    assert.deepEqual(refused({ for: 'guest', assigned: true }), ['stub', 'host', 'missing']);
    assert.deepEqual(refused({ for: 'run', assigned: true }), ['stub', 'host', 'missing']);
  });

  it('lets a stub be for what shares a group, and for a detach', () => {
    assert.deepEqual(refused({ for: 'guest', assigned: false }), ['host', 'missing']);
    assert.deepEqual(refused({ for: 'manual', assigned: true }), ['host', 'missing']);
  });
});
