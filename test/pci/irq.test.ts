import assert from 'node:assert/strict';
import fc from 'fast-check';
import { cpuList } from '../../src/pci/cpu-list.ts';
import { cpuMask, cpusOfMask, isIrqKey } from '../../src/pci/irq.ts';

describe('a mask of CPUs', () => {
  const pairs = [
    ['0', '1'],
    ['0-7', 'ff'],
    ['0-1,4-7', 'f3'],
    ['31', '80000000'],
    ['32', '1,00000000'],
    ['0-63', 'ffffffff,ffffffff'],
    ['0,95', '80000000,00000000,00000001'],
    ['', '0'],
  ] as const;
  for (const [list, mask] of pairs) {
    it(`is ${mask} for ${list || 'none'}`, () => {
      assert.equal(cpuMask(list), mask);
      assert.equal(cpusOfMask(mask), list);
    });
  }

  it('is read as the kernel prints it, with zeros in front', () => {
    assert.equal(cpusOfMask('00000000,000000f3\n'), '0-1,4-7');
    for (const text of ['', '0x1', 'g', '123456789', '1,,1', '0-3'])
      assert.equal(cpusOfMask(text), undefined, text);
  });

  it('is the same for the same CPUs', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300)), (cpus) => {
        const list = cpuList(cpus);
        assert.equal(cpusOfMask(cpuMask(list)), list);
      }),
    );
  });
});

describe('the key of an interrupt', () => {
  it('is its number, or that of those that come', () => {
    for (const key of ['default', '0', '44', '1234567']) assert.ok(isIrqKey(key), key);
    for (const key of ['', '01', '-1', '4/../5', '12345678', 'Default', 'default_smp_affinity', '4\n'])
      assert.ok(!isIrqKey(key), key);
  });
});
