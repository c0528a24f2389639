import assert from 'node:assert/strict';
import { answer, attribute, driverShown, example, exampleSpec, radeon, toVfio } from './machines.ts';

const upstream = '0000:01:00.0';

function groupOf(machine: ReturnType<typeof example>, address: string): number {
  return Number(machine.host().readLink(attribute(address, 'iommu_group'))?.split('/').pop());
}

describe('removing and finding again', () => {
  it('takes what is behind a bridge along, and brings all of it back to its host drivers', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    await toVfio(host, radeon.gpu, radeon.audio);
    await answer(host, attribute(radeon.gpu, 'reset_method'), '');
    assert.equal(await answer(host, attribute(upstream, 'remove'), '1'), 'ok');
    assert.equal(host.list(attribute(radeon.gpu, '')), undefined);
    assert.equal(host.tryOpen('/dev/vfio/16'), 'absent');
    assert.equal(await answer(host, '/sys/bus/pci/rescan', '1'), 'ok');
    assert.equal(driverShown(host, radeon.gpu), 'amdgpu');
    assert.equal(driverShown(host, upstream), 'pcieport');
    assert.equal(host.read(attribute(radeon.gpu, 'driver_override')), '(null)\n');
    assert.equal(host.read(attribute(radeon.gpu, 'reset_method')), 'bus\n');
    assert.equal(host.read(attribute(radeon.audio, 'power/control')), 'on\n');
  });

  it('keeps the sizes of BARs', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    await answer(host, '/sys/bus/pci/drivers/amdgpu/unbind', radeon.gpu);
    await answer(host, attribute(radeon.gpu, 'resource2_resize'), '3');
    await answer(host, attribute(upstream, 'remove'), '1');
    await answer(host, '/sys/bus/pci/rescan', '1');
    const bar = machine.state().devices[radeon.gpu]?.bars.find((each) => each.index === 2);
    assert.deepEqual([bar?.size, (bar?.start ?? -1) >= 0], [8 * 2 ** 20, true]);
  });

  it('gives a free group number again, or a fresh one where the machine is described so', async () => {
    for (const [groupNumbers, same] of [
      ['lowest', true],
      ['next', false],
    ] as const) {
      const machine = example('amd-rdna3-desktop', { groupNumbers });
      const before = groupOf(machine, '0000:05:00.0');
      await answer(machine.host(), attribute('0000:05:00.0', 'remove'), '1');
      await answer(machine.host(), '/sys/bus/pci/rescan', '1');
      // The lowest number that is free is not the old one: the machine's numbers have gaps.
      const after = groupOf(machine, '0000:05:00.0');
      assert.equal(after < before, same, groupNumbers);
    }
  });

  it('forgets an override that was there since boot', async () => {
    const devices = exampleSpec('amd-rdna3-desktop').devices.map((device) =>
      device.address === radeon.audio ? { ...device, driverOverride: 'parked' } : device,
    );
    const host = example('amd-rdna3-desktop', { devices }).host();
    assert.equal(host.read(attribute(radeon.audio, 'driver_override')), 'parked\n');
    await answer(host, attribute(radeon.audio, 'remove'), '1');
    await answer(host, '/sys/bus/pci/rescan', '1');
    assert.equal(host.read(attribute(radeon.audio, 'driver_override')), '(null)\n');
    assert.equal(driverShown(host, radeon.audio), 'snd_hda_intel');
  });

  it('puts a function back into the group of the others', async () => {
    const machine = example('amd-rdna3-desktop');
    await answer(machine.host(), attribute(radeon.audio, 'remove'), '1');
    await answer(machine.host(), '/sys/bus/pci/rescan', '1');
    assert.equal(groupOf(machine, radeon.audio), groupOf(machine, radeon.gpu));
  });

  it('beside a sibling leaves a device without the reset method bus, and so without the files', async () => {
    const host = example('lab-q35').host();
    const nic = '0000:05:01.0';
    assert.equal(host.read(attribute(nic, 'reset_method')), 'bus\n');
    await answer(host, attribute(nic, 'remove'), '1');
    await answer(host, '/sys/bus/pci/rescan', '1');
    assert.equal(host.read(attribute(nic, 'reset_method')), undefined);
    assert.ok(!host.list(attribute(nic, ''))?.includes('reset'));
    await answer(host, attribute('0000:04:00.0', 'remove'), '1');
    await answer(host, '/sys/bus/pci/rescan', '1');
    assert.equal(host.read(attribute(nic, 'reset_method')), 'bus\n');
  });

  it('gives a device the d3cold_allowed that it had at boot', async () => {
    const host = example('lab-q35').host();
    for (const [address, is] of [
      ['0000:07:00.0', '1'],
      ['0000:08:00.0', '0'],
    ] as const) {
      const path = attribute(address, 'd3cold_allowed');
      assert.equal(await answer(host, path, is === '1' ? '0' : '1'), 'ok');
      await answer(host, attribute(address, 'remove'), '1');
      await answer(host, '/sys/bus/pci/rescan', '1');
      assert.equal(host.read(path), `${is}\n`);
    }
  });

  it('is not possible below a bridge that is still gone', async () => {
    const machine = example('amd-rdna3-desktop');
    machine.perform({ do: 'unplug', device: upstream });
    assert.equal(await answer(machine.host(), '/sys/bus/pci/rescan', '1'), 'ok');
    assert.equal(machine.host().list(attribute(radeon.gpu, '')), undefined);
  });
});

describe('a pulled card', () => {
  it('is gone for good', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    machine.perform({ do: 'unplug', device: radeon.audio });
    assert.equal(await answer(host, '/sys/bus/pci/rescan', '1'), 'ok');
    assert.equal(host.read(attribute(radeon.audio, 'vendor')), undefined);
    assert.equal(await answer(host, '/sys/bus/pci/drivers_probe', radeon.audio), 'ENODEV');
    assert.deepEqual(machine.perform({ do: 'unplug', device: radeon.audio }), {
      kind: 'refused',
      errno: 'ENODEV',
    });
  });

  it('that a guest has goes when the guest does', async () => {
    const machine = example('amd-rdna3-desktop');
    const host = machine.host();
    await toVfio(host, radeon.gpu, radeon.audio);
    machine.perform({ do: 'open-group', devices: [radeon.gpu, radeon.audio], guest: 'win10' });
    machine.perform({ do: 'unplug', device: radeon.gpu });
    assert.equal(driverShown(host, radeon.gpu), undefined);
    assert.notEqual(host.list(attribute(radeon.gpu, '')), undefined);
    machine.perform({ do: 'close-group', guest: 'win10' });
    assert.equal(host.list(attribute(radeon.gpu, '')), undefined);
  });

  it('that answers nothing any more reads as ones', () => {
    const machine = example('amd-rdna3-desktop');
    machine.perform({ do: 'lose', device: radeon.gpu });
    const config = machine.host().readBytes(attribute(radeon.gpu, 'config'), 4);
    assert.deepEqual([...(config ?? [])], [0xff, 0xff, 0xff, 0xff]);
  });
});

describe('configuration space', () => {
  const rows = [
    [radeon.gpu, 0x0e, 0x80, 'an endpoint of two functions'],
    [upstream, 0x0e, 0x01, 'a bridge'],
    ['0000:05:00.0', 0x0e, 0x00, 'an endpoint of one'],
    [radeon.gpu, 0x0b, 0x03, 'the base class'],
    [radeon.gpu, 0x00, 0x02, 'the vendor, low byte'],
    [radeon.gpu, 0x01, 0x10, 'the vendor, high byte'],
    [radeon.gpu, 0x2e, 0x1e, 'the subsystem'],
    [radeon.gpu, 0x08, 0xc8, 'the revision'],
  ] as const;
  for (const [address, offset, expected, what] of rows) {
    it(`has ${what}`, () => {
      const bytes = example('amd-rdna3-desktop').host().readBytes(attribute(address, 'config'), 64);
      assert.deepEqual([bytes?.length, bytes?.[offset]], [64, expected]);
    });
  }
});
