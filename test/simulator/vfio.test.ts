import assert from 'node:assert/strict';
import { answer, attribute, driverShown, example, radeon, toVfio } from './machines.ts';

const both = [radeon.gpu, radeon.audio];

describe('a guest', () => {
  it('opens its group: the node is busy, and says who has it', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    await toVfio(host, ...both);
    assert.equal(host.tryOpen('/dev/vfio/16'), 'free');
    assert.deepEqual(host.holders(['/dev/vfio/16']), []);
    machine.perform({ do: 'open-group', devices: both, guest: 'win10', pid: 4711 });
    assert.equal(host.tryOpen('/dev/vfio/16'), 'busy');
    const [holder] = host.holders(['/dev/vfio/16']);
    assert.deepEqual(holder, { pid: 4711, name: 'qemu-system-x86', path: '/dev/vfio/16', guest: 'win10' });
    machine.perform({ do: 'close-group', guest: 'win10' });
    assert.equal(host.tryOpen('/dev/vfio/16'), 'free');
  });

  it('is alive while it runs, and another process with its number is not it', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    await toVfio(host, ...both);
    machine.perform({ do: 'open-group', devices: both, guest: 'win10' });
    const process = machine.state().processes.find((each) => each.guest === 'win10')!;
    assert.ok(host.isAlive(process));
    assert.ok(!host.isAlive({ ...process, startTime: process.startTime + 1 }));
    machine.perform({ do: 'close-group', guest: 'win10' });
    assert.ok(!host.isAlive(process));
  });

  const refusals = [
    ['a group without a member on vfio-pci', [], [radeon.gpu], 'open', 'ENOENT'],
    ['a group with a member on a host driver', [radeon.gpu], [radeon.gpu], 'viable', 'EPERM'],
    ['a device that is not on vfio-pci', [radeon.gpu], [radeon.audio], 'viable', 'EPERM'],
    ['a device that is not there', [], ['0000:99:00.0'], 'open', 'ENOENT'],
  ] as const;
  for (const [what, bound, opened, stage, errno] of refusals) {
    it(`cannot open ${what}, and is gone`, async () => {
      const machine = example('amd-rdna3-desktop');
      await toVfio(machine.host(), ...bound);
      const result = machine.perform({ do: 'open-group', devices: opened, guest: 'win10' });
      assert.deepEqual(result, { kind: 'refused', stage, errno });
      assert.ok(!machine.state().processes.some((process) => process.guest === 'win10'));
      assert.equal(machine.state().groups['16']?.openedBy, undefined);
    });
  }

  it('has no IOMMU without interrupt remapping, unless a parameter says that this does not matter', async () => {
    const machine = example('amd-rdna3-desktop', { interruptRemapping: false });
    const host = machine.host();
    await toVfio(host, ...both);
    const open = (): unknown => machine.perform({ do: 'open-group', devices: both, guest: 'win10' });
    assert.deepEqual(open(), { kind: 'refused', stage: 'iommu', errno: 'EPERM' });
    const parameter = '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts';
    assert.equal(await answer(host, parameter, 'perhaps'), 'EINVAL');
    for (const [written, printed] of [
      ['1', 'Y\n'],
      ['off', 'N\n'],
      ['on', 'Y\n'],
      ['n', 'N\n'],
      ['y', 'Y\n'],
    ] as const) {
      assert.equal(await answer(host, parameter, written), 'ok');
      assert.equal(host.read(parameter), printed);
    }
    assert.deepEqual(open(), { kind: 'done' });
  });

  it('cannot open a device that somebody unbinds', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    await toVfio(host, ...both);
    machine.perform({ do: 'fault', rule: { on: 'remove', path: 'vfio-pci/*', effect: { kind: 'hang' } } });
    await answer(host, '/sys/bus/pci/drivers/vfio-pci/unbind', radeon.gpu);
    const result = machine.perform({ do: 'open-group', devices: both, guest: 'win10' });
    assert.deepEqual(result, { kind: 'refused', stage: 'device', errno: 'ENODEV' });
  });

  it('keeps a second guest out of its group, with nothing left of that one', async () => {
    const machine = example('amd-rdna3-desktop');
    await toVfio(machine.host(), ...both);
    machine.perform({ do: 'open-group', devices: [radeon.gpu], guest: 'first' });
    const result = machine.perform({ do: 'open-group', devices: [radeon.audio], guest: 'second' });
    assert.deepEqual(result, { kind: 'refused', stage: 'open', errno: 'EBUSY' });
    assert.deepEqual(
      machine
        .host()
        .holders(['/dev/vfio/16'])
        .map((holder) => holder.guest),
      ['first'],
    );
  });

  it('resets a device that can be reset as it closes it', async () => {
    const machine = example('amd-rdna3-desktop');
    await toVfio(machine.host(), ...both);
    machine.perform({ do: 'open-group', devices: both, guest: 'win10' });
    machine.perform({ do: 'close-group', guest: 'win10' });
    assert.equal(machine.state().devices[radeon.gpu]?.resets, 1);
    assert.equal(machine.state().devices[radeon.audio]?.resets, 0);
  });
});

describe('power management of a device on vfio-pci', () => {
  it('sleeps while nobody has it open', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    await toVfio(host, ...both);
    const state = (): string | undefined => host.read(attribute(radeon.gpu, 'power_state'));
    assert.equal(state(), 'D3hot\n');
    machine.perform({ do: 'open-group', devices: both, guest: 'win10' });
    assert.equal(state(), 'D0\n');
    machine.perform({ do: 'close-group', guest: 'win10' });
    assert.equal(state(), 'D3hot\n');
  });

  for (const [kernel, expected] of [
    ['6.12', 'D3hot\n'],
    ['7.2', 'D0\n'],
  ] as const) {
    it(`on Linux ${kernel} disable_idle_d3 that is set after loading gives ${expected.trim()}`, async () => {
      const host = example('amd-rdna3-desktop', { kernel }).host();
      await host.loadModule('vfio-pci', 100);
      await answer(host, '/sys/module/vfio_pci/parameters/disable_idle_d3', 'Y');
      await toVfio(host, radeon.gpu);
      assert.equal(host.read(attribute(radeon.gpu, 'power_state')), expected);
      assert.equal(host.read(attribute(radeon.gpu, 'power/control')), 'auto\n');
    });
  }
});

describe('the console', () => {
  it('of the firmware goes with the boot VGA and does not come back', async () => {
    const machine = example('intel-arc', {
      console: { kind: 'firmware', platformDevice: 'simple-framebuffer.0' },
    });
    const host = machine.host();
    assert.deepEqual(host.list('/sys/bus/platform/devices'), ['simple-framebuffer.0']);
    await answer(host, '/sys/bus/pci/drivers/i915/unbind', '0000:03:00.0');
    await toVfio(host, '0000:03:00.0');
    assert.deepEqual(host.list('/sys/bus/platform/devices'), []);
    await answer(host, '/sys/bus/pci/drivers/vfio-pci/unbind', '0000:03:00.0');
    assert.deepEqual(host.list('/sys/bus/platform/devices'), []);
  });

  it('stays when another card goes, as long as its own parent is known', async () => {
    const machine = example('amd-rdna3-desktop', {
      console: { kind: 'firmware', platformDevice: 'simple-framebuffer.0' },
    });
    await toVfio(machine.host(), radeon.gpu);
    assert.deepEqual(machine.host().list('/sys/bus/platform/devices'), ['simple-framebuffer.0']);
  });

  it('goes with any card where its parent is unknown, from 6.12 on', async () => {
    for (const [kernel, left] of [
      ['6.1', ['simple-framebuffer.0']],
      ['6.12', []],
    ] as const) {
      const plain = example('amd-rdna3-desktop').state().spec;
      const devices = plain.devices.map((device) => ({ ...device, bootVga: false }));
      const machine = example('amd-rdna3-desktop', {
        kernel,
        devices,
        console: { kind: 'firmware', platformDevice: 'simple-framebuffer.0' },
      });
      await toVfio(machine.host(), radeon.gpu);
      assert.deepEqual(machine.host().list('/sys/bus/platform/devices'), left, kernel);
    }
  });
});

describe('the type of a group', () => {
  it('of one device that is bound cannot be changed before 6.12', async () => {
    const host = example('amd-rdna3-desktop', { kernel: '6.1' }).host();
    const type = '/sys/kernel/iommu_groups/18/type';
    assert.equal(await answer(host, type, 'identity'), 'EBUSY');
    await answer(host, '/sys/bus/pci/drivers/igc/unbind', '0000:05:00.0');
    assert.equal(await answer(host, type, 'identity'), 'ok');
    assert.equal(host.read(type), 'identity\n');
    assert.equal(await answer(host, type, 'auto'), 'ok');
    assert.equal(host.read(type), 'DMA-FQ\n');
    assert.equal(driverShown(host, '0000:05:00.0'), undefined);
  });
});
