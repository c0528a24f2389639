import assert from 'node:assert/strict';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import { machineSpec, pci } from '../scenario.ts';

const FIRST = pci('0000:01:00.0');
const SECOND = pci('0000:02:00.0');
const daemon = {
  name: 'nvidia-persiste',
  unit: { name: 'nvidia-persistenced.service' },
  nodes: ['/dev/nvidia0', '/dev/nvidia1', '/dev/nvidiactl'],
  sessions: [],
};

describe('a simulated driver of NVIDIA’s', () => {
  const machine = (processes: readonly (typeof daemon)[] = []): Machine =>
    createMachine(machineSpec('nvidia-workstation', { processes }));
  const rmmod = async (on: Machine, name: string): Promise<string> => {
    const result = await on.host().run('rmmod', [name], 1000);
    return result.kind === 'stuck' ? 'stuck' : `${result.status} ${result.stderr.trim()}`;
  };
  const smi = async (on: Machine, ...args: readonly string[]): Promise<string> => {
    const result = await on.host().run('nvidia-smi', args, 1000);
    return result.kind === 'stuck'
      ? 'stuck'
      : `${result.status} ${result.stdout.trim().split('\n')[0] ?? ''}`;
  };
  const mode = (address: string): readonly string[] => [
    `--id=${address}`,
    '--query-gpu=persistence_mode',
    '--format=csv,noheader',
  ];

  it('has modules that use one another, and rmmod says so', async () => {
    const on = machine();
    assert.equal(
      await rmmod(on, 'nvidia'),
      '1 rmmod: ERROR: Module nvidia is in use by: nvidia_modeset nvidia_uvm',
    );
    assert.equal(await rmmod(on, 'nouveau'), '1 rmmod: ERROR: Module nouveau is not currently loaded');
    on.perform({ do: 'hold-node', path: '/dev/nvidia-uvm', program: 'python3' });
    assert.equal(await rmmod(on, 'nvidia_uvm'), '1 rmmod: ERROR: Module nvidia_uvm is in use');
    on.perform({ do: 'release-node', path: '/dev/nvidia-uvm' });
    for (const name of ['nvidia_drm', 'nvidia_modeset', 'nvidia_uvm', 'nvidia'])
      assert.equal(await rmmod(on, name), '0 ', name);
    assert.equal(on.host().readLink(sysfs.attribute(FIRST, 'driver')), undefined);
  });

  it('waits for its own nvidia_drm before 595, until that is unloaded', async () => {
    const on = machine();
    const unbind = await on.host().write(sysfs.unbind('nvidia'), FIRST, 100);
    assert.equal(unbind.kind, 'stuck');
    assert.equal(await rmmod(on, 'nvidia_drm'), '0 ');
    assert.equal(on.state().tasks.length, 0);
    assert.equal(on.state().devices[FIRST]?.driver, undefined);
  });

  it('tells and changes persistence mode, and its daemon lets go of the card', async () => {
    const on = machine([daemon]);
    assert.equal(await smi(on, ...mode(FIRST)), '0 Enabled');
    assert.equal(
      await smi(on, `--id=${FIRST}`, '--persistence-mode=0'),
      '0 Disabled persistence mode for GPU 00000000:01:00.0.',
    );
    assert.equal(await smi(on, ...mode(FIRST)), '0 Disabled');
    assert.equal(await smi(on, ...mode(SECOND)), '0 Enabled');
    const open = on.host().holders(['/dev/nvidia0', '/dev/nvidia1']);
    assert.deepEqual(
      open.map(({ path }) => path),
      ['/dev/nvidia1'],
    );
    await smi(on, `--id=${FIRST}`, '--persistence-mode=1');
    assert.equal(on.host().holders(['/dev/nvidia0']).length, 1);
  });

  it('ends nvidia-smi with 6 for a card that it has not, and with 9 without a driver', async () => {
    const on = machine();
    assert.equal(await smi(on, ...mode('0000:03:00.0')), '6 No devices were found');
    for (const name of ['nvidia_drm', 'nvidia_modeset', 'nvidia_uvm', 'nvidia']) await rmmod(on, name);
    assert.match(await smi(on, ...mode(FIRST)), /^9 NVIDIA-SMI has failed/);
    await assert.rejects(
      createMachine(machineSpec('amd-rdna3-desktop')).host().run('nvidia-smi', [], 100),
      /there is no program nvidia-smi/,
    );
  });
});
