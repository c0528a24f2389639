import assert from 'node:assert/strict';
import { answer, attribute, example, radeon } from './machines.ts';

const nvme = '0000:04:00.0';

describe('reset_method', () => {
  const rows = [
    ['flr', 'ok', 'flr'],
    ['bus flr', 'ok', 'bus flr'],
    ['', 'ok', ''],
    ['default', 'ok', 'flr bus'],
    ['pm', 'EINVAL', 'flr bus'],
    ['flr bogus', 'EINVAL', 'flr bus'],
    ['flr,bus', 'EINVAL', 'flr bus'],
  ] as const;
  for (const [written, expected, after] of rows) {
    it(`${JSON.stringify(written)} is ${expected}`, async () => {
      const host = example('amd-rdna3-desktop').host();
      const path = attribute(nvme, 'reset_method');
      assert.equal(host.read(path), 'flr bus\n');
      assert.equal(await answer(host, path, written), expected);
      assert.equal(host.read(path), `${after}\n`);
    });
  }

  it('made anew has no bus for a device with siblings, nor for a bridge, and none can be written', async () => {
    for (const [address, before, after] of [
      ['0000:01:00.0', 'bus', ''],
      ['0000:01:00.1', undefined, undefined],
      ['0000:04:00.0', 'pm bus', 'pm'],
      ['0000:05:01.0', 'bus', ''],
      ['0000:06:00.0', 'bus', 'bus'],
    ] as const) {
      const host = example('lab-q35').host();
      const path = attribute(address, 'reset_method');
      assert.equal(host.read(path)?.trimEnd(), before, address);
      if (after === undefined) continue;
      assert.equal(await answer(host, path, 'default'), 'ok');
      assert.equal(host.read(path)?.trimEnd(), after, address);
      assert.equal(await answer(host, path, 'bus'), after === 'bus' ? 'ok' : 'EINVAL');
    }
  });

  it('takes no bus for a physical function while virtual ones are on its bus', async () => {
    const host = example('lab-q35').host();
    const igb = '0000:02:00.0';
    for (const [count, expected] of [
      ['2', 'EINVAL'],
      ['0', 'ok'],
    ] as const) {
      assert.equal(await answer(host, attribute(igb, 'sriov_numvfs'), count), 'ok');
      assert.equal(await answer(host, attribute(igb, 'reset_method'), 'bus'), expected);
    }
  });

  it('is not there for a device that cannot be reset, nor is reset', () => {
    const host = example('amd-rdna3-desktop').host();
    for (const name of ['reset', 'reset_method']) {
      assert.equal(host.read(attribute(radeon.audio, name)), undefined);
      assert.ok(!host.list(attribute(radeon.audio, ''))?.includes(name));
    }
  });
});

describe('reset', () => {
  it('works with a driver bound', async () => {
    const machine = example('amd-rdna3-desktop');
    assert.equal(await answer(machine.host(), attribute(nvme, 'reset'), '1'), 'ok');
    assert.equal(machine.state().devices[nvme]?.resets, 1);
  });
});

describe('power/control', () => {
  it('takes auto and on, with one newline, and wakes the device with on', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    const path = attribute(radeon.gpu, 'power/control');
    assert.equal(await answer(host, path, 'auto'), 'ok');
    assert.equal(host.read(path), 'auto\n');
    assert.deepEqual(await host.writeRaw(path, 'on\n\n', 100), { kind: 'refused', errno: 'EINVAL' });
    machine.perform({ do: 'lose', device: radeon.gpu });
    assert.equal(host.read(attribute(radeon.gpu, 'power/runtime_status')), 'suspended\n');
    assert.equal(await answer(host, path, 'on'), 'ok');
    assert.equal(host.read(attribute(radeon.gpu, 'power/runtime_status')), 'active\n');
  });

  it('is shown as it was described', () => {
    const host = example('laptop-hybrid').host();
    assert.equal(host.read(attribute('0000:01:00.0', 'power/control')), 'auto\n');
    assert.equal(host.read(attribute('0000:02:00.0', 'power/control')), 'on\n');
  });
});

describe('enable', () => {
  it('counts, and shows in the command register', async () => {
    const host = example('amd-rdna3-desktop').host();
    const path = attribute(radeon.gpu, 'enable');
    await answer(host, '/sys/bus/pci/drivers/amdgpu/unbind', radeon.gpu);
    assert.equal(host.readBytes(attribute(radeon.gpu, 'config'), 6)?.[4], 0);
    assert.equal(await answer(host, path, '1'), 'ok');
    assert.equal(await answer(host, path, '1'), 'ok');
    assert.equal(host.read(path), '2\n');
    assert.equal(host.readBytes(attribute(radeon.gpu, 'config'), 6)?.[4], 7);
    assert.equal(await answer(host, path, 'x'), 'EINVAL');
    assert.equal(await answer(host, path, '0'), 'ok');
    assert.equal(host.read(path), '1\n');
  });
});

describe('power_state', () => {
  it('is unknown on Linux 6.1 once a driver has left, until a driver or `enable` wakes the device', async () => {
    const host = example('amd-rdna3-desktop', { kernel: '6.1' }).host();
    const state = (): string | undefined => host.read(attribute(nvme, 'power_state'));
    assert.equal(state(), 'D0\n');
    await answer(host, '/sys/bus/pci/drivers/nvme/unbind', nvme);
    assert.equal(state(), 'unknown\n');
    assert.equal(host.read(attribute(nvme, 'power/runtime_status')), 'active\n');
    await answer(host, attribute(nvme, 'power/control'), 'on');
    assert.equal(state(), 'unknown\n', 'it is awake already, so nothing is done');
    assert.equal(await answer(host, attribute(nvme, 'enable'), '1'), 'ok');
    assert.equal(state(), 'D0\n');
    await answer(host, '/sys/bus/pci/drivers/nvme/bind', nvme);
    assert.equal(state(), 'D0\n');
  });

  it('is D0 on later kernels, where a driver that leaves an awake device says so', async () => {
    const host = example('amd-rdna3-desktop').host();
    await answer(host, '/sys/bus/pci/drivers/nvme/unbind', nvme);
    assert.equal(host.read(attribute(nvme, 'power_state')), 'D0\n');
  });
});
