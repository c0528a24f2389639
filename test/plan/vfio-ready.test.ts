import assert from 'node:assert/strict';
import type { VfioState } from '../../src/pci/vfio-state.ts';
import { notReady } from '../../src/plan/vfio-ready.ts';
import { describeStep } from '../../src/steps/index.ts';
import { at, audio, gpu, lines, planFor } from './snapshots.ts';

const well: VfioState = {
  interrupts: 'remapped',
  unsafeInterrupts: false,
  driver: 'there',
  backEnd: 'there',
};
const guest = { for: 'guest', generalDriver: true } as const;

describe('notReady', () => {
  const codeOf = (
    state: Partial<VfioState>,
    need: Parameters<typeof notReady>[2] = guest,
  ): string | undefined => notReady({ ...well, ...state }, '6.12', need)?.code;

  it('has nothing to say where all is well, and where it cannot be told', () => {
    assert.equal(codeOf({}), undefined);
    assert.equal(codeOf({ interrupts: 'unknown' }), undefined);
    assert.equal(codeOf({ driver: 'module', backEnd: 'module' }), undefined);
  });

  it('refuses guests where interrupts are not remapped, unless the parameter lets them through', () => {
    assert.equal(codeOf({ interrupts: 'not-remapped' }), 'interrupts');
    assert.equal(codeOf({ interrupts: 'not-remapped', unsafeInterrupts: true }), undefined);
    const by = (allowed: boolean, ours: boolean, isOn: boolean): string | undefined =>
      codeOf(
        { interrupts: 'not-remapped', unsafeInterrupts: isOn },
        { for: 'guest', generalDriver: true, unsafeInterrupts: { allowed, ours } },
      );
    assert.deepEqual([by(true, false, false), by(true, true, true)], [undefined, undefined]);
    // On for another guest, by a key that is gone.
    assert.equal(by(false, true, true), 'interrupts');
  });

  it('refuses them where a module is missing', () => {
    assert.equal(codeOf({ driver: 'missing' }), 'vfio');
    assert.equal(codeOf({ backEnd: 'missing' }), 'vfio');
    assert.equal(codeOf({ driver: 'missing' }, { for: 'guest', generalDriver: false }), undefined);
  });

  it('asks of a detach only that its driver is there', () => {
    const manual = { for: 'manual', generalDriver: true } as const;
    assert.equal(codeOf({ interrupts: 'not-remapped', backEnd: 'missing' }, manual), undefined);
    assert.equal(codeOf({ driver: 'missing' }, manual), 'vfio');
  });
});

describe('a plan on a host that is not ready', () => {
  it('is refused for the assigned device alone', () => {
    const facts = { vfio: { ...well, interrupts: 'not-remapped' as const } };
    assert.deepEqual(lines(planFor([gpu(), audio()], { facts })), ['refuse 0000:03:00.0: interrupts']);
  });

  it('is refused also when the device is on vfio-pci already', () => {
    const facts = { vfio: { ...well, interrupts: 'not-remapped' as const } };
    assert.deepEqual(lines(planFor([gpu({ driver: 'vfio-pci' })], { facts })), [
      'refuse 0000:03:00.0: interrupts',
    ]);
  });

  it('is refused for a card that does not answer, whatever else there is', () => {
    assert.deepEqual(lines(planFor([gpu(), audio()], { facts: { silent: [at('03:00.0')] } })), [
      'refuse 0000:03:00.0: no-answer',
    ]);
  });

  it('loads the back end of VFIO that no driver depends on, after the driver', () => {
    const facts = { vfio: { ...well, backEnd: 'module' as const }, drivers: ['amdgpu'] };
    assert.deepEqual(planFor([gpu()], { facts }).steps.slice(0, 2).map(describeStep), [
      'load module vfio-pci',
      'load module vfio_iommu_type1',
    ]);
    assert.deepEqual(planFor([gpu({ driver: 'vfio-pci' })], { facts }).steps.map(describeStep), [
      'load module vfio_iommu_type1',
    ]);
  });
});
