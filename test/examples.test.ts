import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UnitSpec } from '../simulator/spec.ts';
import { repository } from './hook/compiled.ts';
import { claims, configure, drivers, exampleGuest, picture, stage, succeeds } from './hook/stage.ts';

/** A configuration of the examples with the machine that it is for, the guest, and what is different while that runs. */
const lives: readonly (readonly [
  config: string,
  place: 'guest' | 'all',
  host: string,
  domain: string,
  meanwhile: Readonly<Record<string, string>>,
])[] = [
  ['rdna3-bar2', 'guest', 'amd-rdna3-desktop', 'windows-11-rx7900xtx', { '0000:03:00.0': 'vfio-pci' }],
  [
    'dual-gpu',
    'guest',
    'amd-rdna3-desktop',
    'windows-11-rx7900xtx',
    { '0000:03:00.0': 'vfio-pci', '0000:0f:00.0': 'amdgpu' },
  ],
  [
    'single-gpu-amd',
    'guest',
    'single-gpu-amd',
    'windows-11-rx7900xtx',
    { '0000:03:00.0': 'vfio-pci', '0000:03:00.1': 'vfio-pci' },
  ],
  [
    'single-gpu-nvidia',
    'guest',
    'single-gpu-nvidia',
    'windows-11-rtx3090',
    { '0000:01:00.0': 'vfio-pci', '0000:01:00.1': 'vfio-pci' },
  ],
  ['between', 'guest', 'amd-rdna3-desktop', 'windows-11-rx7900xtx', { '0000:03:00.0': 'vfio-pci' }],
  ['nvme-guest', 'guest', 'nvme-host', 'nvme-disk', { '0000:03:00.0': 'vfio-pci', '0000:01:00.0': 'nvme' }],
  [
    'usb-controller',
    'guest',
    'amd-rdna3-desktop',
    'usb-controller',
    { '0000:0f:00.3': 'vfio-pci', '0000:06:00.0': 'xhci_hcd' },
  ],
  [
    'laptop-hybrid',
    'guest',
    'laptop-hybrid',
    'laptop-hybrid',
    { '0000:01:00.0': 'vfio-pci', '0000:00:02.0': 'i915' },
  ],
  [
    'server-8-gpu',
    'all',
    'server-8-gpu',
    'server-two-of-eight-gpus',
    { '0000:19:00.0': 'vfio-pci', '0000:1a:00.0': 'nvidia' },
  ],
];

/** What a host has whose configuration names them. */
const units: readonly UnitSpec[] = [
  'ollama.service',
  'nvidia-persistenced.service',
  'nvidia-dcgm.service',
].map((name) => ({ name, active: 'active' }));

describe('the examples, each on its machine', () => {
  for (const [config, place, host, domain, meanwhile] of lives) {
    it(`${config}.yaml: ${domain} lives on ${host}, and nothing differs afterwards`, () => {
      const on = stage(host, (spec) => ({
        ...spec,
        units: [...spec.units, ...units.filter(({ name }) => !spec.units.some((unit) => unit.name === name))],
        // Later kernels take the frame buffer of the firmware away until the next boot: docs/guides/display.md.
        ...(spec.console.kind === 'firmware' && { kernel: '5.15' as const }),
      }));
      const guest = exampleGuest(domain);
      const text = readFileSync(join(repository, 'examples/configs', `${config}.yaml`), 'utf8');
      configure(on, place === 'all' ? 'config.yaml' : `domains/${guest.name}.yaml`, text);
      const before = picture(on);
      succeeds(on, guest, 'prepare');
      assert.deepEqual(drivers(on, Object.keys(meanwhile)), Object.values(meanwhile));
      assert.notDeepEqual(picture(on), before);
      for (const moment of ['start', 'started', 'stopped', 'release'] as const) succeeds(on, guest, moment);
      assert.deepEqual(picture(on), before);
      assert.deepEqual(claims(on), {});
    });
  }
});
