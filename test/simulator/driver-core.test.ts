import assert from 'node:assert/strict';
import { answer, attribute, driverShown, example, exampleSpec, radeon, toVfio } from './machines.ts';

describe('the id tables of drivers', () => {
  it('take every device with the same ids', async () => {
    const machine = example('nvme-host');
    const host = machine.host();
    const twins = ['0000:01:00.0', '0000:03:00.0', '0000:04:00.0'];
    for (const twin of twins) await answer(host, '/sys/bus/pci/drivers/nvme/unbind', twin);
    await host.loadModule('vfio-pci', 100);
    assert.equal(await answer(host, '/sys/bus/pci/drivers/vfio-pci/new_id', '144d a80a'), 'ok');
    assert.deepEqual(
      twins.map((twin) => driverShown(host, twin)),
      ['vfio-pci', 'vfio-pci', 'vfio-pci'],
    );
    assert.equal(driverShown(host, '0000:02:00.0'), 'nvme');
  });

  it('are asked in the order in which the drivers were registered', async () => {
    const machine = example('nvidia-desktop');
    const host = machine.host();
    await host.loadModule('nouveau', 100);
    await answer(host, '/sys/bus/pci/drivers/nvidia/unbind', '0000:01:00.0');
    await answer(host, '/sys/bus/pci/drivers_probe', '0000:01:00.0');
    assert.equal(driverShown(host, '0000:01:00.0'), 'nvidia');
  });

  it('give a device to the next driver when the first one fails', async () => {
    const machine = example('nvidia-desktop');
    const host = machine.host();
    await host.loadModule('nouveau', 100);
    const rule = { on: 'probe', path: 'nvidia/*', effect: { kind: 'fail', errno: 'EIO' } } as const;
    machine.perform({ do: 'fault', rule });
    await answer(host, '/sys/bus/pci/drivers/nvidia/unbind', '0000:01:00.0');
    await answer(host, '/sys/bus/pci/drivers_probe', '0000:01:00.0');
    assert.equal(driverShown(host, '0000:01:00.0'), 'nouveau');
  });
});

describe('unbind', () => {
  it('shows in the directory of the driver and in the device', async () => {
    const host = example('amd-rdna3-desktop').host();
    assert.ok(host.list('/sys/bus/pci/drivers/amdgpu')?.includes(radeon.gpu));
    assert.match(host.read(attribute(radeon.gpu, 'uevent')) ?? '', /^DRIVER=amdgpu\n/);
    assert.equal(await answer(host, attribute(radeon.gpu, 'driver/unbind'), radeon.gpu), 'ok');
    assert.ok(!host.list('/sys/bus/pci/drivers/amdgpu')?.includes(radeon.gpu));
    assert.doesNotMatch(host.read(attribute(radeon.gpu, 'uevent')) ?? '', /DRIVER/);
    assert.ok(host.list('/sys/bus/pci/drivers/amdgpu')?.includes(radeon.igpu), 'the other card stays');
  });

  it('takes the device nodes and interfaces of the host away, bind brings them back', async () => {
    const host = example('amd-rdna3-desktop').host();
    const nic = '0000:05:00.0';
    assert.deepEqual(host.list('/sys/class/net'), ['enp5s0']);
    assert.equal(host.read('/sys/class/net/enp5s0/operstate'), 'up\n');
    await answer(host, '/sys/bus/pci/drivers/igc/unbind', nic);
    assert.equal(host.list('/sys/class/net'), undefined);
    assert.equal(host.list(attribute(nic, 'net')), undefined);
    await answer(host, '/sys/bus/pci/drivers/igc/bind', nic);
    assert.deepEqual(host.list(attribute(nic, 'net')), ['enp5s0']);
  });

  it('of amdgpu does not wait for those who have its nodes open', async () => {
    const machine = example('amd-rdna3-desktop');
    machine.perform({ do: 'hold-node', path: '/dev/dri/card1', program: 'Xorg' });
    assert.equal(await answer(machine.host(), '/sys/bus/pci/drivers/amdgpu/unbind', radeon.gpu), 'ok');
  });

  for (const [machineName, driver, address, node] of [
    ['amd-rdna3-desktop', 'snd_hda_intel', radeon.audio, '/dev/snd/controlC1'],
    ['nvidia-desktop', 'nvidia', '0000:01:00.0', '/dev/nvidia0'],
  ] as const) {
    it(`of ${driver} waits for those who have its nodes open`, async () => {
      const machine = example(machineName);
      const host = machine.host();
      machine.perform({ do: 'hold-node', path: node, program: 'pipewire' });
      assert.deepEqual(
        host.holders([node]).map((holder) => holder.name),
        ['pipewire'],
      );
      assert.equal(await answer(host, `/sys/bus/pci/drivers/${driver}/unbind`, address), 'stuck');
      assert.equal(host.tryOpen(node), 'absent');
      assert.deepEqual(
        host.blockedWrites().map(({ path, value }) => ({ path, value })),
        [{ path: `/sys/bus/pci/drivers/${driver}/unbind`, value: address }],
      );
      machine.perform({ do: 'release-node', path: node });
      assert.deepEqual(host.blockedWrites(), []);
      assert.equal(machine.state().devices[address]?.driver, undefined);
    });
  }
});

describe('a program that lets go of a sound card', () => {
  const path = '/dev/snd/controlC1';
  const unbind = '/sys/bus/pci/drivers/snd_hda_intel/unbind';
  const server = { name: 'wireplumber', nodes: [path], sessions: [], letsGoMs: 40 };

  it('closes its nodes in its own time once they are disconnected, and the unbind goes on', async () => {
    const machine = example('amd-rdna3-desktop', { processes: [server] });
    const host = machine.host();
    const before = host.now();
    assert.equal(await answer(host, unbind, radeon.audio, 1000), 'ok');
    assert.ok(host.now() - before >= 40);
    assert.deepEqual(host.holders([path]), []);
    assert.ok(machine.state().processes.some(({ name }) => name === 'wireplumber'));
  });

  it('does not while it is halted', async () => {
    const machine = example('amd-rdna3-desktop', { processes: [{ ...server, halted: true }] });
    assert.equal(machine.host().holders([path])[0]?.halted, true);
    assert.equal(await answer(machine.host(), unbind, radeon.audio, 1000), 'stuck');
  });
});

describe('two processes at one device', () => {
  it('bind at once: one succeeds, the other is EBUSY', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    await host.loadModule('vfio-pci', 100);
    await answer(host, attribute(radeon.gpu, 'driver_override'), 'vfio-pci');
    await answer(host, '/sys/bus/pci/drivers/amdgpu/unbind', radeon.gpu);
    const bind = '/sys/bus/pci/drivers/vfio-pci/bind';
    const answers = await Promise.all([
      answer(host, bind, radeon.gpu),
      answer(machine.host(), bind, radeon.gpu),
    ]);
    assert.deepEqual(answers.sort(), ['EBUSY', 'ok']);
  });

  it('get its lock in the order in which they asked', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    await toVfio(host, radeon.gpu, radeon.audio);
    machine.perform({ do: 'open-group', devices: [radeon.gpu], guest: 'win10' });
    const unbind = '/sys/bus/pci/drivers/vfio-pci/unbind';
    assert.equal(await answer(host, unbind, radeon.gpu), 'stuck');
    assert.equal(await answer(host, attribute(radeon.gpu, 'power/control'), 'auto'), 'stuck');
    assert.equal(await answer(host, '/sys/bus/pci/drivers/vfio-pci/bind', radeon.gpu), 'stuck');
    machine.perform({ do: 'close-group', guest: 'win10' });
    const finished = machine.journal().slice(-3);
    assert.deepEqual(
      finished.map((entry) => entry.result),
      ['ok', 'ok', 'ok'],
    );
    assert.equal(driverShown(host, radeon.gpu), 'vfio-pci');
    assert.deepEqual(machine.state().locks, {});
  });
});

describe('Linux 5.15', () => {
  const spec = { ...exampleSpec('amd-rdna3-desktop'), kernel: '5.15' as const };

  it('has a bug that a native driver in an owned group sets off: the writer never returns, the lock stays', async () => {
    const machine = example('amd-rdna3-desktop', spec);
    const host = machine.host();
    await toVfio(host, radeon.gpu);
    await answer(host, '/sys/bus/pci/drivers/snd_hda_intel/unbind', radeon.audio);
    machine.perform({ do: 'open-group', devices: [radeon.gpu], guest: 'win10' });
    assert.equal(await answer(host, '/sys/bus/pci/drivers/snd_hda_intel/bind', radeon.audio), 'stuck');
    assert.match(machine.state().log.join('\n'), /kernel BUG at drivers\/vfio\/vfio\.c/);
    machine.perform({ do: 'close-group', guest: 'win10' });
    assert.equal(await answer(host, attribute(radeon.audio, 'power/control'), 'on'), 'stuck');
  });

  it('has no resizable BARs and no vfio-dev', async () => {
    const host = example('amd-rdna3-desktop', spec).host();
    await toVfio(host, radeon.gpu);
    const names = host.list(attribute(radeon.gpu, '')) ?? [];
    assert.ok(!names.includes('vfio-dev') && !names.includes('resource0_resize'));
    assert.ok(names.includes('resource0'));
  });

  it('takes a group with a bridge driver of any kind as viable, one with a native driver not', async () => {
    const machine = example('amd-rdna3-desktop', spec);
    await toVfio(machine.host(), radeon.gpu);
    const opened = machine.perform({ do: 'open-group', devices: [radeon.gpu], guest: 'win10' });
    assert.deepEqual(opened, { kind: 'refused', stage: 'viable', errno: 'EPERM' });
  });
});
