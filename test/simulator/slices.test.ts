import assert from 'node:assert/strict';
import { parseDescription } from '../../simulator/description.ts';
import type { Machine } from '../../simulator/machine.ts';
import type { CpusSpec } from '../../simulator/spec.ts';
import { example } from './machines.ts';

const machineWith = (more: Partial<CpusSpec> = {}): Machine =>
  example('lab-q35', {
    cpus: { count: 4, offline: [3], hierarchy: 'v2', irqs: [], ...more },
    units: [{ name: 'irqbalance.service', active: 'active' }],
  });

const systemctl = async (machine: Machine, ...args: readonly string[]): Promise<string> => {
  const result = await machine.host().run('systemctl', args, 1000);
  assert.equal(result.kind, 'exited');
  return result.status === 0 ? result.stdout : `${result.status} ${result.stderr}`;
};
const set = (machine: Machine, cpus: string, slice = 'system.slice'): Promise<string> =>
  systemctl(machine, 'set-property', '--runtime', '--', slice, `AllowedCPUs=${cpus}`);
const show = (machine: Machine, ...slices: readonly string[]): Promise<string> =>
  systemctl(machine, 'show', '--property=AllowedCPUs', '--property=EffectiveCPUs', '--', ...slices);

describe('slices of a simulated machine', () => {
  it('may have every CPU, of which the kernel says nothing as long as nobody is confined', async () => {
    const machine = machineWith();
    assert.equal(machine.host().read('/sys/devices/system/cpu/present'), '0-3\n');
    assert.equal(machine.host().read('/sys/devices/system/cpu/online'), '0-2\n');
    assert.equal(
      await show(machine, 'system.slice', 'init.scope'),
      'AllowedCPUs=\nEffectiveCPUs=\n\nAllowedCPUs=\nEffectiveCPUs=\n',
    );
  });

  it('are confined, as far as these CPUs are online', async () => {
    const machine = machineWith();
    await set(machine, '0,2-3');
    assert.equal(await show(machine, 'system.slice'), 'AllowedCPUs=0 2-3\nEffectiveCPUs=0 2\n');
    assert.equal(await show(machine, 'user.slice'), 'AllowedCPUs=\nEffectiveCPUs=0-2\n');
    await set(machine, '3');
    assert.equal(await show(machine, 'system.slice'), 'AllowedCPUs=3\nEffectiveCPUs=0-2\n');
  });

  it('stay confined with an empty list, though systemd says otherwise', async () => {
    const machine = machineWith();
    await set(machine, '1');
    await set(machine, '');
    assert.equal(await show(machine, 'system.slice'), 'AllowedCPUs=\nEffectiveCPUs=1\n');
  });

  it('are confined by no other hierarchy, whatever systemd says', async () => {
    const machine = machineWith({ hierarchy: 'v1' });
    await set(machine, '1');
    assert.equal(await show(machine, 'system.slice'), 'AllowedCPUs=1\nEffectiveCPUs=\n');
    assert.equal(machine.host().list('/sys/fs/cgroup'), undefined);
  });

  it('are these three, and take lists of CPUs', async () => {
    const machine = machineWith();
    assert.match(await set(machine, '1', 'machine.slice'), /^1 .*not found/);
    assert.match(await set(machine, 'x'), /^1 Failed to parse AllowedCPUs= value: x/);
    assert.match(
      await systemctl(machine, 'set-property', '--runtime', '--', 'system.slice', 'CPUQuota=1%'),
      /^1 Unknown assignment/,
    );
  });

  it('are as a description has them', () => {
    const text = 'name: x\ndevices: []\ncpus: { count: 2 }';
    assert.deepEqual(parseDescription(text, 'x.yaml').cpus, {
      count: 2,
      offline: [],
      hierarchy: 'v2',
      irqs: [],
    });
  });

  it('have the control groups of services that run beside them', () => {
    const host = machineWith().host();
    assert.match(host.read('/sys/fs/cgroup/cgroup.controllers') ?? '', /^cpuset /);
    assert.deepEqual(host.list('/sys/fs/cgroup/system.slice'), ['irqbalance.service']);
  });
});
