import assert from 'node:assert/strict';
import { countsOpens } from '../../src/pci/open-counts.ts';

describe('countsOpens', () => {
  const displays = ['amdgpu', 'bochs', 'i915', 'nouveau', 'radeon', 'xe'];
  const rows: readonly (readonly [node: string, modules: readonly string[]])[] = [
    ['/dev/dri/card0', displays],
    ['/dev/dri/renderD128', displays],
    ['/dev/dri/controlD64', displays],
    ['/dev/fb0', displays],
    ['/dev/snd/controlC1', ['snd_hda_intel']],
    ['/dev/snd/pcmC1D3p', ['snd_hda_intel']],
    ['/dev/snd/hwC1D0', ['snd_hda_intel']],
    // Served by other modules, or by ones that nobody has looked at.
    ['/dev/snd/comprC1D0', []],
    ['/dev/snd/midiC1D0', []],
    ['/dev/snd/umpC1D0', []],
    ['/dev/snd/seq', []],
    ['/dev/video0', []],
    ['/dev/nvidia0', []],
    ['/dev/nvidiactl', []],
    ['/dev/nvme0n1', []],
    ['/dev/accel/accel0', []],
    ['/dev/dri/by-path', []],
    ['/elsewhere/dev/dri/card0', []],
  ];
  const modules = [
    ...displays,
    'snd_hda_intel',
    'nvidia',
    'nvidia_drm',
    'saa7134',
    'vfio_pci',
    'nvme',
    'constructor',
  ];
  for (const [node, counting] of rows) {
    it(`${node}: ${counting.join(', ') || 'for none'}`, () => {
      assert.deepEqual(
        modules.filter((module) => countsOpens(module, node)),
        counting,
      );
    });
  }
});
