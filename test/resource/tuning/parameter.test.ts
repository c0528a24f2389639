import assert from 'node:assert/strict';
import { keyDeviation, partDeviation } from '../../../src/claim/hold-form.ts';
import { parameter, withoutRemapping } from '../../../src/resource/tuning/parameter.ts';

describe('a parameter of a module', () => {
  it('is on for as long as anybody needs it, and then as it was', () => {
    for (const value of ['Y', 'N'] as const) {
      assert.deepEqual(parameter.target({ value }, [{ value: 'Y' }, { value: 'Y' }]), { value: 'Y' });
      assert.deepEqual(parameter.target({ value }, []), { value });
    }
  });

  it('is named by its module and itself', () => {
    const { key } = withoutRemapping;
    assert.equal(parameter.subject(key), 'parameter allow_unsafe_interrupts of vfio_iommu_type1');
    assert.equal(parameter.words(key, { value: 'N' }), 'N');
    assert.notEqual(parameter.lock(key), parameter.lock('kvm ignore_msrs'));
  });

  it('without interrupt remapping is something that a claim can hold', () => {
    const { kind, key, wish } = withoutRemapping;
    assert.equal(keyDeviation(kind, key), undefined);
    assert.equal(partDeviation(kind, 'wish', wish), undefined);
  });
});
