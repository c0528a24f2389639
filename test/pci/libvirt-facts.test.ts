import assert from 'node:assert/strict';
import { libvirtFacts, type LibvirtFacts } from '../../src/pci/libvirt-facts.ts';

describe('libvirtFacts', () => {
  const order: readonly (keyof LibvirtFacts)[] = [
    'runsDropIns',
    'overridesProperties',
    'known',
    'acceptsVariants',
    'choosesVariants',
  ];
  const rows: readonly (readonly [version: string | undefined, howMany: number])[] = [
    ['6.4.0', 0],
    ['6.5.0', 1],
    ['8.1.0', 1],
    ['8.2.0', 2],
    ['9.0.0', 3],
    ['9.6.0', 3],
    ['9.7.0', 4],
    ['9.10.0', 4],
    ['10.0.0', 5],
    ['12.8.0', 5],
    [undefined, 5],
  ];
  for (const [version, howMany] of rows) {
    it(version ?? 'an unknown one counts as a recent one', () => {
      const facts = libvirtFacts(version);
      assert.deepEqual(
        order.filter((each) => facts[each]),
        order.slice(0, howMany),
      );
    });
  }
});
