import assert from 'node:assert/strict';
import { vfAddress } from '../../simulator/sriov.ts';
import { answer, attribute, driverShown, example } from './machines.ts';

const port = { first: '0000:17:00.0', second: '0000:17:00.1' } as const;
const capability = { totalVfs: 7, numVfs: 0, vfDevice: '10ca', vfBars: [] };

describe('vfAddress', () => {
  const rows = [
    ['0000:02:00.0', 0x80, 2, 0, '0000:02:10.0'],
    ['0000:02:00.0', 0x80, 2, 1, '0000:02:10.2'],
    ['0000:17:00.0', 16, 1, 9, '0000:17:03.1'],
    ['0000:17:00.1', 79, 1, 0, '0000:17:0a.0'],
    ['0001:00:1f.7', 1, 1, 0, '0001:01:00.0'],
  ] as const;
  for (const [physical, offset, stride, index, expected] of rows) {
    it(`number ${index} of ${physical} is ${expected}`, () => {
      assert.equal(vfAddress(physical, { ...capability, offset, stride }, index), expected);
    });
  }
});

describe('virtual functions', () => {
  it('that the description has are there after boot, in groups of their own, on their driver', () => {
    const host = example('sriov-nic').host();
    assert.equal(host.read(attribute(port.first, 'sriov_numvfs')), '4\n');
    const vf = attribute('0000:17:02.3', '');
    assert.equal(driverShown(host, '0000:17:02.3'), 'iavf');
    assert.equal(host.readLink(`${vf}physfn`), '../0000:17:00.0');
    assert.equal(host.readLink(attribute(port.first, 'virtfn3')), '../0000:17:02.3');
    const group = host.readLink(`${vf}iommu_group`)?.split('/').pop() ?? '';
    assert.deepEqual(host.list(`/sys/kernel/iommu_groups/${group}/devices`), ['0000:17:02.3']);
  });

  it('have no remove and no rescan, and no SR-IOV of their own', () => {
    const names = example('sriov-nic').host().list(attribute('0000:17:02.0', '')) ?? [];
    for (const name of ['remove', 'rescan', 'sriov_numvfs', 'boot_vga'])
      assert.ok(!names.includes(name), name);
    for (const name of ['reset', 'reset_method', 'driver_override']) assert.ok(names.includes(name), name);
  });

  it('come and go with the number that is written', async () => {
    const machine = example('sriov-nic');
    const host = machine.host();
    const groups = host.list('/sys/kernel/iommu_groups')?.length ?? 0;
    const numvfs = attribute(port.second, 'sriov_numvfs');
    assert.equal(await answer(host, numvfs, '2'), 'ok');
    assert.equal(driverShown(host, '0000:17:0a.1'), 'iavf');
    assert.equal(host.list('/sys/kernel/iommu_groups')?.length, groups + 2);
    assert.equal(await answer(host, numvfs, '0'), 'ok');
    assert.equal(host.list(attribute('0000:17:0a.1', '')), undefined);
    assert.equal(host.list('/sys/kernel/iommu_groups')?.length, groups);
  });

  it('have BARs and no d3cold, since they have no power management capability', async () => {
    const machine = example('lab-q35');
    const host = machine.host();
    await answer(host, attribute('0000:02:00.0', 'sriov_numvfs'), '7');
    assert.equal(host.read(attribute('0000:02:11.4', 'd3cold_allowed')), '0\n');
    const bars = Object.values(machine.state().devices).flatMap((each) =>
      each.spec.physicalFunction === undefined ? [] : each.bars.map(({ size, start }) => ({ size, start })),
    );
    assert.equal(bars.length, 14);
    assert.ok(bars.every(({ size }) => size === 16384));
    assert.equal(new Set(bars.map(({ start }) => start)).size, 14, 'no two at one address');
  });

  it('hold up the driver of the physical function while a guest has one', async () => {
    const machine = example('sriov-nic');
    const host = machine.host();
    const vf = '0000:17:02.1';
    await host.loadModule('vfio-pci', 100);
    await answer(host, attribute(vf, 'driver_override'), 'vfio-pci');
    await answer(host, '/sys/bus/pci/drivers/iavf/unbind', vf);
    await answer(host, '/sys/bus/pci/drivers_probe', vf);
    assert.deepEqual(machine.perform({ do: 'open-group', devices: [vf], guest: 'router' }), { kind: 'done' });
    assert.equal(await answer(host, '/sys/bus/pci/drivers/i40e/unbind', port.first), 'stuck');
    assert.throws(() => host.read(attribute(port.first, 'sriov_numvfs')), { errno: 'EDEADLK' });
    const read = await host.readLocked([attribute(port.first, 'sriov_numvfs')], 500);
    assert.deepEqual(read, { kind: 'stuck', path: attribute(port.first, 'sriov_numvfs') });
    assert.equal(await answer(host, attribute(port.second, 'sriov_numvfs'), '2'), 'stuck');
    machine.perform({ do: 'close-group', guest: 'router' });
    assert.equal(host.read(attribute(port.first, 'sriov_numvfs')), '0\n');
    assert.equal(host.read(attribute(port.second, 'sriov_numvfs')), '2\n');
  });
});

describe("NVIDIA's vendor framework", () => {
  it('has one vGPU type at a time on a virtual function', async () => {
    const spec = example('server-8-gpu').state().spec;
    const gpu = '0000:19:00.0';
    const devices = spec.devices.map((device) =>
      device.address === gpu
        ? { ...device, sriov: { ...capability, offset: 4, stride: 1, vfDevice: '20b5', vgpuType: 0 } }
        : device,
    );
    const machine = example('server-8-gpu', { devices });
    const host = machine.host();
    assert.equal(await answer(host, attribute(gpu, 'sriov_numvfs'), '1'), 'ENOENT');
    machine.store.update((state) => {
      state.spec = { ...state.spec, files: { ...state.spec.files, '/usr/lib/nvidia/sriov-manage': '' } };
    });
    assert.deepEqual(await host.run('sriov-manage', ['-e', gpu], 100), {
      kind: 'exited',
      status: 0,
      stdout: `Enabling VFs on ${gpu}\n`,
      stderr: '',
    });
    const type = attribute('0000:19:00.4', 'nvidia/current_vgpu_type');
    assert.equal(host.read(type), '0\n');
    assert.equal(await answer(host, type, 'x'), 'EINVAL');
    assert.equal(await answer(host, type, '692'), 'ok');
    assert.equal(await answer(host, type, '693'), 'EBUSY');
    assert.equal(host.read(type), '692\n');
    await answer(host, '/sys/bus/pci/drivers/nvidia/unbind', '0000:19:00.4');
    assert.equal(host.read(type), undefined);
  });
});
