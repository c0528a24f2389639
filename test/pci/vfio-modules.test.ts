import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isVfioModule, unloadOrder } from '../../src/pci/vfio-modules.ts';

describe('modules of VFIO', () => {
  it('are its core, its back end and its drivers of PCI devices, and not what others have made of it', () => {
    const all = ['vfio', 'vfio_pci', 'vfio_pci_core', 'vfio_iommu_type1', 'vfio_virqfd', 'mlx5_vfio_pci'];
    assert.deepEqual(all.filter(isVfioModule), all);
    for (const other of ['vfio_mdev', 'nvidia_vgpu_vfio', 'vfio_ap', 'irqbypass', 'mdev'])
      assert.equal(isVfioModule(other), false, other);
  });

  it('each goes before what it uses, whatever uses what', () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(4), fc.nat(4))), fc.shuffledSubarray(names), (pairs, modules) => {
        // A later name uses earlier ones only, so that nothing uses itself.
        const uses = pairs.filter(([user, used]) => user > used);
        const holders = (name: string): readonly string[] =>
          uses.flatMap(([user, used]) => (names[used] === name ? [names[user]!] : []));
        const order = unloadOrder(modules, holders);
        assert.deepEqual([...order].sort(), [...modules].sort());
        for (const name of order)
          for (const user of holders(name))
            if (modules.includes(user))
              assert.ok(order.indexOf(user) < order.indexOf(name), `${user} ${name}`);
      }),
    );
  });
});
