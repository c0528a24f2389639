import assert from 'node:assert/strict';
import type { ProcessSpec } from '../../simulator/spec.ts';
import { answer, attribute, example, radeon } from './machines.ts';

const pipewire: ProcessSpec = {
  name: 'pipewire',
  unit: { name: 'pipewire.service', user: 1000 },
  nodes: ['/dev/snd/controlC0', '/dev/snd/controlC1'],
  sessions: [],
};

describe('a process of a machine', () => {
  it('has its nodes open from the boot on, an entry for each of those that are asked for', () => {
    const host = example('amd-rdna3-desktop', { processes: [pipewire] }).host();
    const { pid } = host.holders(['/dev/snd/controlC1'])[0]!;
    const about = { pid, name: 'pipewire', unit: pipewire.unit };
    assert.deepEqual(host.holders(['/dev/snd/controlC1', '/dev/dri/card1', '/dev/snd/controlC0']), [
      { ...about, path: '/dev/snd/controlC0' },
      { ...about, path: '/dev/snd/controlC1' },
    ]);
    assert.deepEqual(host.holders([]), []);
  });

  it('keeps the driver of a sound device from letting go', async () => {
    const host = example('amd-rdna3-desktop', { processes: [pipewire] }).host();
    assert.equal(await answer(host, '/sys/bus/pci/drivers/snd_hda_intel/unbind', radeon.audio), 'stuck');
  });

  it('is there again after a reboot', () => {
    const machine = example('amd-rdna3-desktop', { processes: [pipewire] });
    machine.perform({ do: 'release-node', path: '/dev/snd/controlC1' });
    assert.deepEqual(machine.host().holders(pipewire.nodes), []);
    machine.perform({ do: 'reboot' });
    assert.equal(machine.host().holders(pipewire.nodes).length, 2);
  });

  it('cannot open what is not there, and is gone then', () => {
    const machine = example('amd-rdna3-desktop');
    const before = machine.state().processes.length;
    const result = machine.perform({ do: 'hold-node', path: '/dev/dri/card7', program: 'Xorg' });
    assert.deepEqual(result, { kind: 'refused', errno: 'ENOENT' });
    assert.equal(machine.state().processes.length, before);
  });

  it('is not its own holder', () => {
    const machine = example('amd-rdna3-desktop', { processes: [pipewire] });
    const host = machine.host();
    machine.store.update((state) => {
      state.opens.push({ pid: host.self().pid, path: '/dev/dri/card1' });
    });
    assert.deepEqual(host.holders(['/dev/dri/card1']), []);
    assert.equal(machine.host().holders(['/dev/dri/card1']).length, 1);
  });
});

describe('the driver nvidia', () => {
  it('tells the number of each card’s node', () => {
    const host = example('server-8-gpu').host();
    const information = host.read('/proc/driver/nvidia/gpus/0000:1a:00.0/information') ?? '';
    assert.match(information, /^Device Minor: \t 1$/m);
    assert.equal(host.list('/proc/driver/nvidia/gpus')?.length, 8);
  });

  it('has nodes that all cards share for as long as there is a card', async () => {
    const machine = example('nvidia-desktop');
    const host = machine.host();
    assert.equal(host.tryOpen('/dev/nvidiactl'), 'free');
    assert.deepEqual(machine.perform({ do: 'hold-node', path: '/dev/nvidiactl', program: 'python3' }), {
      kind: 'done',
    });
    assert.deepEqual(
      host.holders(['/dev/nvidiactl']).map(({ name }) => name),
      ['python3'],
    );
    assert.equal(await answer(host, '/sys/bus/pci/drivers/nvidia/unbind', '0000:01:00.0'), 'ok');
    assert.equal(host.tryOpen('/dev/nvidiactl'), 'absent');
    assert.equal(host.read('/proc/driver/nvidia/gpus/0000:01:00.0/information'), undefined);
  });
});

describe('what a display or capture device shows', () => {
  it('is a frame buffer in its directory, in the class and in /dev', () => {
    const host = example('amd-rdna3-desktop').host();
    assert.match(host.readLink('/sys/class/graphics/fb0') ?? '', /0000:0f:00\.0\/graphics\/fb0$/);
    assert.deepEqual(host.list(attribute(radeon.igpu, 'graphics')), ['fb0']);
    assert.equal(host.tryOpen('/dev/fb0'), 'free');
  });

  it('is a sound card with its nodes', () => {
    const host = example('amd-rdna3-desktop').host();
    assert.deepEqual(
      host.list(attribute(radeon.audio, 'sound/card1'))?.filter((name) => name.includes('C1')),
      ['controlC1', 'hwC1D0', 'pcmC1D3p'],
    );
  });
});

describe('what a look at processes cannot see', () => {
  it('is named beside what it sees, and is nobody where nothing is asked for', () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    machine.perform({ do: 'open-many-files', program: 'hog' });
    const { holders, unseen } = host.openFiles(['/dev/snd/controlC1']);
    assert.deepEqual(holders, host.holders(['/dev/snd/controlC1']));
    assert.deepEqual(
      unseen.map(({ name }) => name),
      ['hog'],
    );
    assert.deepEqual(host.openFiles([]), { holders: [], unseen: [] });
    assert.deepEqual(
      host.openFiles(['/dev/snd/controlC1'], (name) => name !== 'hog'),
      { holders, unseen: [] },
    );
    assert.deepEqual(
      host.openFiles(['/dev/snd/controlC1'], (name) => name === 'hog'),
      { holders: [], unseen },
    );
  });
});

describe('libvirt’s processes', () => {
  it('are the daemon and the QEMU of a guest, by name', () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    assert.equal(host.libvirtDaemons().length, 1);
    assert.equal(host.guestProcess('win11'), undefined);
    machine.perform({ do: 'start-qemu', guest: 'win11', pid: 4321 });
    assert.deepEqual(host.guestProcess('win11'), { pid: 4321, name: 'qemu-system-x86', guest: 'win11' });
    machine.perform({ do: 'stop-libvirt' });
    assert.deepEqual(host.libvirtDaemons(), []);
  });
});

describe('waiting for a process', () => {
  it('ends with it, or at the deadline', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    const path = '/sys/bus/pci/drivers/snd_hda_intel/unbind';
    machine.perform({ do: 'fault', rule: { path, effect: { kind: 'slow', ms: 500 } } });
    const result = await host.write(path, radeon.audio, 10);
    assert.ok(result.kind === 'stuck');
    const began = host.now();
    assert.equal(await host.hasEnded(result.writer, 100), false);
    assert.equal(await host.hasEnded(result.writer, 1000), true);
    assert.ok(host.now() - began < 700);
    assert.equal(await host.hasEnded(result.writer, 0), true);
  });
});
