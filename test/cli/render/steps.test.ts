import assert from 'node:assert/strict';
import { stepsJson } from '../../../src/cli/render/steps.ts';
import type { Step } from '../../../src/steps/step.ts';
import { pci } from '../../scenario.ts';

const DEVICE = pci('0000:03:00.0');

/** Each step, and its form as docs/json.md has it, without `description` and `command`. */
const forms: readonly (readonly [step: Step, json: object])[] = [
  [
    { kind: 'set', attribute: 'driver-override', key: DEVICE, to: 'vfio-pci' },
    { kind: 'set-driver-override', device: DEVICE, to: 'vfio-pci' },
  ],
  [
    { kind: 'set', attribute: 'driver-override', key: DEVICE, to: '' },
    { kind: 'set-driver-override', device: DEVICE },
  ],
  [
    { kind: 'set', attribute: 'power-control', key: DEVICE, to: 'auto' },
    { kind: 'set-power-control', device: DEVICE, to: 'auto' },
  ],
  [
    { kind: 'set', attribute: 'reset-methods', key: DEVICE, to: 'flr bus' },
    { kind: 'set-reset-methods', device: DEVICE, to: ['flr', 'bus'] },
  ],
  [
    { kind: 'set', attribute: 'reset-methods', key: DEVICE, to: '' },
    { kind: 'set-reset-methods', device: DEVICE, to: [] },
  ],
  [
    { kind: 'set', attribute: 'd3cold-allowed', key: DEVICE, to: '0' },
    { kind: 'set-d3cold-allowed', device: DEVICE, to: false },
  ],
  [
    { kind: 'set', attribute: 'module-parameter', key: 'vfio_iommu_type1 allow_unsafe_interrupts', to: 'Y' },
    {
      kind: 'set-module-parameter',
      module: 'vfio_iommu_type1',
      parameter: 'allow_unsafe_interrupts',
      to: 'Y',
    },
  ],
  [
    { kind: 'set', attribute: 'hugepages', key: '2048kB node0', to: '4352' },
    { kind: 'set-hugepages', pool: '2048kB node0', to: 4352 },
  ],
  [
    { kind: 'set', attribute: 'vfs', key: DEVICE, to: '4' },
    { kind: 'set-vfs', device: DEVICE, to: 4 },
  ],
  [
    { kind: 'set', attribute: 'vfs-autoprobe', key: DEVICE, to: '0' },
    { kind: 'set-vfs-autoprobe', device: DEVICE, to: false },
  ],
  [
    { kind: 'compact-memory', node: 1 },
    { kind: 'compact-memory', node: 1 },
  ],
  [
    { kind: 'unbind', device: DEVICE, driver: 'amdgpu' },
    { kind: 'unbind', device: DEVICE, driver: 'amdgpu' },
  ],
];

describe('stepsJson', () => {
  for (const [step, json] of forms) {
    it(`writes it as documented: ${JSON.stringify(json)}`, () => {
      const [written] = stepsJson([step]);
      const { description, command, ...rest } = written as Record<string, unknown>;
      assert.deepEqual(rest, json);
      assert.equal(typeof description, 'string');
      assert.equal(typeof command, 'string');
    });
  }
});
