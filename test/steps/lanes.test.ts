import assert from 'node:assert/strict';
import { slotOf } from '../../src/pci/address.ts';
import { describeStep } from '../../src/steps/index.ts';
import { stagesOf } from '../../src/steps/lanes.ts';
import type { Step } from '../../src/steps/step.ts';
import { pci } from '../scenario.ts';

const A0 = pci('0000:01:00.0');
const A1 = pci('0000:01:00.1');
const B0 = pci('0000:02:00.0');

const unbind = (device: typeof A0): Step => ({ kind: 'unbind', device, driver: 'amdgpu' });
const bind = (device: typeof A0): Step => ({ kind: 'bind', device, driver: 'vfio-pci' });
const clear = (device: typeof A0): Step => ({
  kind: 'set',
  attribute: 'driver-override',
  key: device,
  to: '',
});
const resize = (device: typeof A0): Step => ({
  kind: 'resize-bar',
  device,
  bar: 0,
  from: 2 ** 28,
  to: 2 ** 23,
});
const load: Step = { kind: 'load-module', module: 'vfio-pci', driver: 'vfio-pci', blacklist: 'obeyed' };
const parameter: Step = { kind: 'set', attribute: 'module-parameter', key: 'm p', to: 'Y' };
const wake = (device: typeof A0): Step => ({
  kind: 'set',
  attribute: 'power-control',
  key: device,
  to: 'on',
});

const words = (steps: readonly Step[]): string[][][] =>
  stagesOf(steps, slotOf).map((lanes) => lanes.map((lane) => lane.map(describeStep)));
const stage = (...lanes: readonly Step[][]): string[][] => lanes.map((lane) => lane.map(describeStep));

describe('stagesOf', () => {
  it('has no stage for nothing', () => {
    assert.deepEqual(words([]), []);
  });

  it('has a lane for each card, with its functions in the order of the list', () => {
    assert.deepEqual(words([unbind(B0), unbind(A1), unbind(A0)]), [
      stage([unbind(B0)], [unbind(A1), unbind(A0)]),
    ]);
  });

  it('keeps the functions of a card together also where another card stands between them', () => {
    assert.deepEqual(words([unbind(A1), unbind(B0), unbind(A0)]), [
      stage([unbind(A1), unbind(A0)], [unbind(B0)]),
    ]);
  });

  it('lets nothing of another kind begin before all cards are done', () => {
    assert.deepEqual(words([unbind(B0), unbind(A0), bind(A0), bind(B0)]), [
      stage([unbind(B0)], [unbind(A0)]),
      stage([bind(A0)], [bind(B0)]),
    ]);
  });

  it('takes attributes of a device for one kind', () => {
    assert.deepEqual(words([clear(A0), wake(A0), clear(B0), wake(B0)]), [
      stage([clear(A0), wake(A0)], [clear(B0), wake(B0)]),
    ]);
  });

  it('does each resize, each load and what is about no device by itself', () => {
    const lonely = [load, parameter, resize(B0), resize(A0)];
    assert.deepEqual(
      words(lonely),
      lonely.map((step) => stage([step])),
    );
    assert.deepEqual(words([clear(A0), parameter, clear(B0)]), [
      stage([clear(A0)]),
      stage([parameter]),
      stage([clear(B0)]),
    ]);
  });
});
