import assert from 'node:assert/strict';
import { drmLetsGo, isOn, nvidiaNodesOf } from '../../src/pci/nvidia.ts';

describe('NVIDIA’s modules', () => {
  it('drivers let go of a card that only nvidia_drm has open from 595 on, as far as their version is known', () => {
    for (const version of ['595.45.04', '600.1', '1000.0']) assert.equal(drmLetsGo(version), true, version);
    for (const version of ['594.99', '550.163.01', '', 'Open', undefined])
      assert.equal(drmLetsGo(version), false, version);
  });

  it('a parameter is on as the kernel prints it and as people write it', () => {
    for (const text of ['Y\n', '1\n', 'y']) assert.equal(isOn(text), true, text);
    for (const text of ['N\n', '0', '', undefined]) assert.equal(isOn(text), false, text);
  });

  it('each module has its nodes', () => {
    const dev = [
      'nvidia0',
      'nvidia1',
      'nvidiactl',
      'nvidia-modeset',
      'nvidia-uvm',
      'nvidia-uvm-tools',
      'null',
    ];
    const dri = ['by-path', 'card0', 'renderD128'];
    const of = (module: string): readonly string[] => nvidiaNodesOf(module, dev, dri);
    assert.deepEqual(of('nvidia'), ['/dev/nvidia0', '/dev/nvidia1', '/dev/nvidiactl']);
    assert.deepEqual(of('nvidia_modeset'), ['/dev/nvidia-modeset']);
    assert.deepEqual(of('nvidia_uvm'), ['/dev/nvidia-uvm', '/dev/nvidia-uvm-tools']);
    assert.deepEqual(of('nvidia_drm'), ['/dev/dri/card0', '/dev/dri/renderD128']);
    assert.deepEqual(of('vfio_pci'), []);
  });
});
