import assert from 'node:assert/strict';
import type { FaultDescription } from '../../simulator/operation.ts';
import { SimulatedKill } from '../../simulator/host.ts';
import { faultRule } from '../../simulator/operations.ts';
import { answer, attribute, driverShown, example, radeon, toVfio } from './machines.ts';

const override = attribute(radeon.gpu, 'driver_override');
const amdgpuUnbind = '/sys/bus/pci/drivers/amdgpu/unbind';

function machineWith(rule: FaultDescription) {
  const machine = example('amd-rdna3-desktop');
  machine.perform({ do: 'fault', rule });
  return { machine, host: machine.host() };
}

describe('a fault', () => {
  it('has defaults: the first write, once', () => {
    assert.deepEqual(faultRule({ effect: { kind: 'lie' } }, 'fault-1'), {
      id: 'fault-1',
      on: 'write',
      path: '*',
      nth: 1,
      times: 1,
      effect: { kind: 'lie' },
      seen: 0,
      released: false,
    });
  });

  it('applies to the nth write that fits, and as often as it says', async () => {
    const { host } = machineWith({
      path: '*/driver_override',
      nth: 2,
      times: 2,
      effect: { kind: 'fail', errno: 'EIO' },
    });
    const answers = [];
    for (let count = 0; count < 5; count += 1) {
      await answer(host, '/sys/bus/pci/drivers_autoprobe', '1');
      answers.push(await answer(host, override, 'vfio-pci'));
    }
    assert.deepEqual(answers, ['ok', 'EIO', 'EIO', 'ok', 'ok']);
  });

  it('can apply for ever, and be cleared', async () => {
    const { machine, host } = machineWith({ times: 'always', effect: { kind: 'fail', errno: 'EIO' } });
    assert.equal(await answer(host, override, 'x'), 'EIO');
    assert.equal(await answer(host, override, 'x'), 'EIO');
    machine.perform({ do: 'clear-faults' });
    assert.equal(await answer(host, override, 'x'), 'ok');
  });

  it('can look at the value, without its newline', async () => {
    const { host } = machineWith({ value: 'vfio-*', effect: { kind: 'fail', errno: 'EIO' } });
    assert.equal(await answer(host, override, 'none'), 'ok');
    assert.equal(await answer(host, override, 'vfio-pci'), 'EIO');
  });

  it('that fails leaves things as they were', async () => {
    const { host } = machineWith({ path: '*/unbind', effect: { kind: 'fail', errno: 'EPERM' } });
    assert.equal(await answer(host, amdgpuUnbind, radeon.gpu), 'EPERM');
    assert.equal(driverShown(host, radeon.gpu), 'amdgpu');
  });

  it('that lies reports success and does nothing', async () => {
    const { machine, host } = machineWith({ path: '*/unbind', effect: { kind: 'lie' } });
    assert.equal(await answer(host, amdgpuUnbind, radeon.gpu), 'ok');
    assert.equal(driverShown(host, radeon.gpu), 'amdgpu');
    assert.equal(machine.journal().at(-1)?.result, 'ok');
  });

  it('that hangs holds the write until it is released, and then lets it happen', async () => {
    const { machine, host } = machineWith({ id: 'stop', path: '*/unbind', effect: { kind: 'hang' } });
    assert.equal(await answer(host, amdgpuUnbind, radeon.gpu, 30_000), 'stuck');
    assert.equal(driverShown(host, radeon.gpu), 'amdgpu');
    assert.equal(machine.journal().at(-1)?.result, undefined);
    machine.perform({ do: 'release-fault', id: 'stop' });
    assert.equal(driverShown(host, radeon.gpu), undefined);
    assert.equal(machine.journal().at(-1)?.result, 'ok');
  });

  it('that is slow takes its time, within the deadline or beyond it', async () => {
    const slow: FaultDescription = { path: '*/unbind', times: 'always', effect: { kind: 'slow', ms: 5000 } };
    const { machine, host } = machineWith(slow);
    assert.equal(await answer(host, amdgpuUnbind, radeon.gpu, 10_000), 'ok');
    assert.ok((machine.journal().at(-1)?.took ?? 0) >= 5000);
    assert.equal(
      await answer(host, '/sys/bus/pci/drivers/snd_hda_intel/unbind', radeon.audio, 1000),
      'stuck',
    );
    assert.equal(driverShown(host, radeon.audio), 'snd_hda_intel');
  });

  it('that kills before leaves no effect, and nothing of the process', async () => {
    const { machine, host } = machineWith({ path: '*/unbind', effect: { kind: 'kill', when: 'before' } });
    const self = host.self();
    await assert.rejects(answer(host, amdgpuUnbind, radeon.gpu), SimulatedKill);
    assert.throws(() => host.read(override), SimulatedKill);
    await assert.rejects(answer(host, override, 'x'), SimulatedKill);
    const other = machine.host();
    assert.equal(driverShown(other, radeon.gpu), 'amdgpu');
    assert.equal(other.isAlive(self), false);
    assert.equal(machine.journal().at(-1)?.result, 'killed');
  });

  it('that kills after has its effect', async () => {
    const { machine, host } = machineWith({ path: '*/unbind', effect: { kind: 'kill', when: 'after' } });
    await assert.rejects(answer(host, amdgpuUnbind, radeon.gpu), SimulatedKill);
    assert.equal(driverShown(machine.host(), radeon.gpu), undefined);
  });

  it('in probe is the answer of bind, and a success of drivers_probe', async () => {
    const { host } = machineWith({
      on: 'probe',
      path: 'amdgpu/*',
      times: 'always',
      effect: { kind: 'fail', errno: 'ENOMEM' },
    });
    await answer(host, amdgpuUnbind, radeon.gpu);
    assert.equal(await answer(host, '/sys/bus/pci/drivers/amdgpu/bind', radeon.gpu), 'ENOMEM');
    assert.equal(await answer(host, '/sys/bus/pci/drivers_probe', radeon.gpu), 'ok');
    assert.equal(driverShown(host, radeon.gpu), undefined);
  });

  it('in probe that lies leaves bind a success without a driver', async () => {
    const { host } = machineWith({ on: 'probe', path: `vfio-pci/${radeon.audio}`, effect: { kind: 'lie' } });
    await host.loadModule('vfio-pci', 100);
    await answer(host, attribute(radeon.audio, 'driver_override'), 'vfio-pci');
    await answer(host, '/sys/bus/pci/drivers/snd_hda_intel/unbind', radeon.audio);
    assert.equal(await answer(host, '/sys/bus/pci/drivers/vfio-pci/bind', radeon.audio), 'ok');
    assert.equal(driverShown(host, radeon.audio), undefined);
  });

  it('in remove holds up the unbind after the link is gone', async () => {
    const { machine, host } = machineWith({
      id: 'teardown',
      on: 'remove',
      path: `amdgpu/${radeon.gpu}`,
      effect: { kind: 'hang' },
    });
    assert.equal(await answer(host, amdgpuUnbind, radeon.gpu), 'stuck');
    assert.equal(driverShown(host, radeon.gpu), undefined);
    assert.equal(machine.state().devices[radeon.gpu]?.driver, 'amdgpu');
    machine.perform({ do: 'release-fault', id: 'teardown' });
    assert.equal(machine.state().devices[radeon.gpu]?.driver, undefined);
  });

  it('in a read is thrown, and counted across processes', () => {
    const { machine, host } = machineWith({
      on: 'read',
      path: override,
      nth: 2,
      effect: { kind: 'fail', errno: 'EIO' },
    });
    assert.equal(host.read(override), '(null)\n');
    assert.throws(() => machine.host().read(override), { errno: 'EIO' });
    assert.equal(host.read(override), '(null)\n');
  });

  it('in loading a module is a failure with a reason', async () => {
    const { host } = machineWith({ on: 'load', path: 'vfio-pci', effect: { kind: 'fail', errno: 'EPERM' } });
    const result = await host.loadModule('vfio-pci', 100);
    assert.deepEqual(result, { kind: 'failed', reason: 'could not load module vfio-pci: EPERM' });
    await toVfio(host, radeon.gpu);
  });
});
