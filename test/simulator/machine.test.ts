import assert from 'node:assert/strict';
import { differences, observe } from './observe.ts';
import { answer, attribute, driverShown, example, radeon, toVfio } from './machines.ts';
import { exclusively } from '../observe/exclusively.ts';

describe('a machine', () => {
  it('shows who runs it: kernel, boot, command line, libvirt', () => {
    const host = example('amd-rdna3-desktop').host();
    assert.equal(host.read('/proc/sys/kernel/osrelease'), '6.12.117+deb13-amd64\n');
    assert.match(
      host.read('/proc/sys/kernel/random/boot_id') ?? '',
      /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/,
    );
    assert.match(host.read('/proc/cmdline') ?? '', /amd_iommu=on/);
    assert.deepEqual(host.list('/usr/lib/x86_64-linux-gnu'), ['libvirt.so.0']);
  });

  it('shows what the host uses', async () => {
    const host = example('amd-rdna3-desktop').host();
    assert.match(
      host.read('/proc/self/mountinfo') ?? '',
      / 259:2 \/ \/ rw,relatime shared:1 - ext4 \/dev\/nvme0n1p2 rw\n/,
    );
    assert.match(host.read('/proc/swaps') ?? '', /^\/dev\/nvme0n1p3\t/m);
    assert.match(host.read('/proc/net/route') ?? '', /^enp5s0\t00000000\t/m);
    assert.equal(host.read('/sys/class/block/nvme0n1p2/dev'), '259:2\n');
    assert.equal(await exclusively(host, '/dev/nvme0n1'), 'busy');
    assert.equal(host.tryOpen('/dev/nvme0n1'), 'free');
    assert.equal(await exclusively(host, '/dev/nvme0n1p1'), 'busy');
    const nvme = attribute('0000:04:00.0', 'nvme/nvme0/nvme0n1/nvme0n1p3/holders');
    assert.deepEqual(host.list(nvme), []);
  });

  it('without an IOMMU has no groups', () => {
    const host = example('amd-rdna3-desktop', { iommu: false }).host();
    assert.deepEqual(host.list('/sys/kernel/iommu_groups'), []);
    assert.equal(host.readLink(attribute(radeon.gpu, 'iommu_group')), undefined);
    assert.deepEqual(host.list('/sys/class/iommu'), []);
  });

  it('writes down every call with its result and its caller', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    await answer(host, attribute(radeon.gpu, 'driver_override'), 'vfio-pci');
    await answer(host, '/sys/bus/pci/drivers/vfio-pci/bind', radeon.gpu);
    await host.loadModule('vfio-pci', 100);
    const { pid } = host.self();
    const path = attribute(radeon.gpu, 'driver_override');
    const bind = '/sys/bus/pci/drivers/vfio-pci/bind';
    const common = { at: 0, pid, took: 0 };
    assert.deepEqual(
      machine.journal().map((entry) => ({ ...entry, at: 0, took: 0 })),
      [
        { ...common, id: 1, operation: 'write', path, value: 'vfio-pci\n', result: 'ok' },
        { ...common, id: 2, operation: 'write', path: bind, value: `${radeon.gpu}\n`, result: 'ENOENT' },
        { ...common, id: 3, operation: 'load', path: 'vfio-pci', value: '', result: 'ok' },
      ],
    );
  });

  it('has processes of their own for each of its hosts', () => {
    const machine = example('amd-rdna3-desktop');
    const [one, two] = [machine.host(), machine.host()];
    assert.notDeepEqual(one.self(), two.self());
    assert.ok(one.isAlive(two.self()));
    two.die();
    assert.ok(!one.isAlive(two.self()));
    assert.throws(() => two.list('/sys'), { name: 'SimulatedKill' });
    assert.ok(one.isAlive(one.self()));
  });
});

describe('time on a machine in memory', () => {
  it('jumps ahead where a call waits, so that nobody else has to', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    machine.perform({ do: 'fault', rule: { effect: { kind: 'hang' } } });
    const [began, beganHere] = [host.now(), performance.now()];
    assert.equal(await answer(host, attribute(radeon.gpu, 'enable'), '1', 60_000), 'stuck');
    assert.ok(host.now() - began >= 60_000);
    assert.ok(performance.now() - beganHere < 10_000);
  });

  it('brings what was planned for it, in order', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    await toVfio(host, radeon.gpu, radeon.audio);
    machine.perform({ do: 'open-group', devices: [radeon.gpu, radeon.audio], guest: 'win10' });
    machine.schedule(9000, { do: 'unload', module: 'vfio_pci' });
    machine.schedule(3000, { do: 'close-group', guest: 'win10' });
    assert.equal(await answer(host, '/sys/bus/pci/drivers/vfio-pci/unbind', radeon.gpu, 10_000), 'ok');
    const took = machine.journal().at(-1)?.took ?? 0;
    assert.ok(took >= 2900 && took < 4000, String(took));
    assert.equal(driverShown(host, radeon.audio), 'vfio-pci');
    await machine.store.pause(7000);
    machine.perform({ do: 'clear-faults' });
    assert.equal(driverShown(host, radeon.audio), undefined);
  });
});

describe('a reboot', () => {
  it('brings everything back as described, under another boot id', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    const before = observe(machine.state());
    const bootId = host.read('/proc/sys/kernel/random/boot_id');
    await toVfio(host, radeon.gpu, radeon.audio);
    await answer(host, attribute(radeon.audio, 'd3cold_allowed'), '0');
    machine.perform({ do: 'open-group', devices: [radeon.gpu], guest: 'win10' });
    await answer(host, '/sys/bus/pci/drivers/vfio-pci/unbind', radeon.gpu);
    assert.notDeepEqual(observe(machine.state()), before);
    machine.perform({ do: 'reboot' });
    assert.deepEqual(differences(before, observe(machine.state())), []);
    assert.notEqual(machine.host().read('/proc/sys/kernel/random/boot_id'), bootId);
    assert.deepEqual(host.blockedWrites(), []);
    assert.equal(host.isAlive(host.self()), false);
    assert.equal(machine.journal().length > 0, true);
  });
});

describe('observe and differences', () => {
  it('say what is not as before, a line each', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    const before = observe(machine.state());
    await answer(host, '/sys/bus/pci/drivers/amdgpu/unbind', radeon.gpu);
    await answer(host, attribute(radeon.gpu, 'driver_override'), 'vfio-pci');
    await answer(host, attribute(radeon.gpu, 'resource2_resize'), '3');
    await answer(host, attribute(radeon.gpu, 'power/control'), 'auto');
    await answer(host, attribute(radeon.gpu, 'reset_method'), '');
    assert.deepEqual(differences(before, observe(machine.state())), [
      '0000:03:00.0 bar 2: 256 MiB -> 8 MiB',
      '0000:03:00.0 driver: amdgpu -> none',
      '0000:03:00.0 driver override: (null) -> vfio-pci',
      '0000:03:00.0 enable: 1 -> 0',
      '0000:03:00.0 power control: on -> auto',
      '0000:03:00.0 reset methods: bus -> ',
    ]);
  });

  it('do not look at modules, nor at the numbers of groups, and see a device that is leaving', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    const before = observe(machine.state());
    await host.loadModule('vfio-pci', 100);
    await answer(host, attribute('0000:05:00.0', 'remove'), '1');
    assert.ok(differences(before, observe(machine.state())).includes('0000:05:00.0 driver: igc -> absent'));
    await answer(host, '/sys/bus/pci/rescan', '1');
    assert.deepEqual(differences(before, observe(machine.state())), []);
    machine.perform({ do: 'fault', rule: { on: 'remove', path: 'amdgpu/*', effect: { kind: 'hang' } } });
    await answer(host, '/sys/bus/pci/drivers/amdgpu/unbind', radeon.gpu);
    assert.deepEqual(differences(before, observe(machine.state())), [
      '0000:03:00.0 driver: amdgpu -> leaving',
    ]);
  });
});
