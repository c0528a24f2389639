import assert from 'node:assert/strict';
import { isVfioName } from '../../src/pci/vfio-name.ts';

describe('isVfioName', () => {
  for (const name of ['vfio-pci', 'vfio_pci', 'mlx5_vfio_pci', 'xe-vfio-pci', 'nvgrace_gpu_vfio_pci'])
    it(`${name} is one`, () => {
      assert.equal(isVfioName(name), true);
    });
  for (const name of ['amdgpu', 'pci-stub', 'vfio-pci-core', 'vfio', 'notvfio-pci', ''])
    it(`${JSON.stringify(name)} is none`, () => {
      assert.equal(isVfioName(name), false);
    });
});
