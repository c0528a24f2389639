import assert from 'node:assert/strict';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import { doStep } from '../../src/steps/index.ts';
import type { Step } from '../../src/steps/step.ts';
import { machineSpec, pci } from '../scenario.ts';

const VF = pci('0000:41:00.4');
const to = (type: string): Step => ({ kind: 'set', attribute: 'vgpu-type', key: VF, to: type });

function machine(): Machine {
  const made = createMachine(machineSpec('nvidia-vgpu-server'));
  made.perform({ do: 'load', module: 'vfio-pci' });
  return made;
}

describe('a vGPU type', () => {
  it('is not taken from a guest that opens the function after everybody looked', async () => {
    const on = machine();
    const host = on.host();
    assert.deepEqual(await doStep(to('1152'), host, 1000), { kind: 'done' });
    on.perform({ do: 'open-group', devices: [VF], guest: 'a', pid: 4711 });
    const journal = on.journal().length;
    assert.deepEqual(await doStep(to('0'), host, 1000), {
      kind: 'failed',
      reason: `${VF} is open in guest "a" (pid 4711)`,
    });
    assert.equal(on.journal().length, journal);
  });

  it('is looked at again before each time that it is asked for', async () => {
    const on = machine();
    const host = on.host();
    await doStep(to('1152'), host, 1000);
    on.perform({
      do: 'fault',
      rule: { path: '*/current_vgpu_type', times: 'always', effect: { kind: 'fail', errno: 'EPERM' } },
    });
    const opening = {
      ...host,
      pause: (ms: number) => {
        on.perform({ do: 'open-group', devices: [VF], guest: 'a', pid: 4711 });
        return host.pause(ms);
      },
    };
    const outcome = await doStep(to('0'), opening, 30_000);
    assert.deepEqual(outcome, { kind: 'failed', reason: `${VF} is open in guest "a" (pid 4711)` });
  });

  it('is asked for no longer than the deadline', async () => {
    const on = machine();
    const host = on.host();
    await doStep(to('1152'), host, 1000);
    on.perform({
      do: 'fault',
      rule: { path: '*/current_vgpu_type', times: 'always', effect: { kind: 'fail', errno: 'EPERM' } },
    });
    const journal = on.journal().length;
    const started = host.now();
    const outcome = await doStep(to('0'), host, 2500);
    assert.ok(outcome.kind === 'failed' && outcome.errno === 'EPERM');
    assert.equal(on.journal().length - journal, 3);
    assert.ok(host.now() - started <= 2500);
  });
});
