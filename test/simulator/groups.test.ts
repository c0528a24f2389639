import assert from 'node:assert/strict';
import { answer, attribute, example, toVfio } from './machines.ts';

/** What a real Linux 6.12 showed on the lab's machine without its resizable-BAR device: the members of each group. */
const recorded = [
  '0000:00:00.0',
  '0000:00:02.0',
  '0000:00:03.0',
  '0000:00:04.0',
  '0000:00:04.1',
  '0000:00:04.2',
  '0000:00:04.3',
  '0000:00:04.4',
  '0000:00:04.5',
  '0000:00:06.0',
  '0000:00:1f.0 0000:00:1f.2 0000:00:1f.3',
  '0000:01:00.0 0000:01:00.1',
  '0000:02:00.0',
  '0000:03:00.0',
  '0000:04:00.0 0000:05:01.0 0000:05:02.0',
  '0000:06:00.0',
  '0000:07:00.0',
];

/** Attributes that the same kernel showed for the resizable-BAR device, driverless. */
const attributes =
  'ari_enabled broken_parity_status class config consistent_dma_mask_bits current_link_speed ' +
  'current_link_width d3cold_allowed device dma_mask_bits driver_override enable firmware_node iommu ' +
  'iommu_group irq link local_cpulist local_cpus max_link_speed max_link_width modalias msi_bus numa_node ' +
  'power power_state remove rescan reset reset_method resource resource0 resource2 resource2_resize ' +
  'resource2_wc revision subsystem subsystem_device subsystem_vendor uevent vendor waiting_for_supplier';

/** Those that nothing in this program reads. */
const left =
  'ari_enabled broken_parity_status consistent_dma_mask_bits current_link_speed current_link_width ' +
  'dma_mask_bits firmware_node iommu irq link local_cpulist local_cpus max_link_speed max_link_width msi_bus ' +
  'resource2_wc waiting_for_supplier';

describe('the simulated lab', () => {
  const host = example('lab-q35').host();

  it('has the groups that were recorded on the real one', () => {
    const members = (host.list('/sys/kernel/iommu_groups') ?? []).map((number) =>
      host.list(`/sys/kernel/iommu_groups/${number}/devices`)?.join(' '),
    );
    const extra = ['0000:00:04.6', '0000:08:00.0'];
    assert.deepEqual(members.sort(), [...recorded, ...extra].sort());
  });

  it('has the attributes that were recorded, but for those that nobody reads', () => {
    const expected = attributes.split(' ').filter((name) => !left.split(' ').includes(name));
    assert.deepEqual(host.list(attribute('0000:08:00.0', '')), expected);
  });

  it('shows BARs as they were recorded', () => {
    const lines = host.read(attribute('0000:08:00.0', 'resource'))?.split('\n') ?? [];
    assert.equal(lines[2], '0x000000c000000000 0x000000c00fffffff 0x000000000014220c');
    assert.match(lines[0] ?? '', / 0x0000000000040200$/);
    assert.equal(lines.length, 14);
  });

  it('loses a BAR like a kernel that could not restore it shows it: flag 0x20000000', async () => {
    const machine = example('lab-q35', {
      resizeRollback: 'lost',
      window: { start: 768 * 2 ** 30, size: 2 ** 30 },
    });
    const path = attribute('0000:08:00.0', 'resource2_resize');
    assert.equal(await answer(machine.host(), path, '14'), 'ENOSPC');
    const [, , line] = machine.host().read(attribute('0000:08:00.0', 'resource'))?.split('\n') ?? [];
    assert.equal(line, '0x0000000000000000 0x000000000fffffff 0x000000002014220c');
  });
});

describe('/dev/vfio/N', () => {
  it('comes with the first member on a vfio driver and goes with the last', async () => {
    const machine = example('bridge-group');
    const host = machine.host();
    const [nic, audio] = ['0000:02:01.0', '0000:02:02.0'];
    await toVfio(host, nic);
    assert.deepEqual(host.list('/dev/vfio'), ['4', 'vfio']);
    await toVfio(host, audio);
    await answer(host, '/sys/bus/pci/drivers/vfio-pci/unbind', nic);
    assert.deepEqual(host.list('/dev/vfio'), ['4', 'vfio']);
    await answer(host, '/sys/bus/pci/drivers/vfio-pci/unbind', audio);
    assert.deepEqual(host.list('/dev/vfio'), ['vfio']);
  });

  it('can be opened though the bridge of its group has no driver', async () => {
    const machine = example('bridge-group');
    await toVfio(machine.host(), '0000:02:01.0', '0000:02:02.0');
    const devices = ['0000:02:01.0', '0000:02:02.0'];
    assert.deepEqual(machine.perform({ do: 'open-group', devices, guest: 'retro' }), { kind: 'done' });
  });

  it('comes with a mediated device too, which needs no driver', async () => {
    const machine = example('lab-q35');
    const host = machine.host();
    const uuid = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
    const create = '/sys/class/mdev_bus/labvgpu0/mdev_supported_types/labvgpu-1/create';
    assert.equal(await answer(host, create, uuid), 'ok');
    const device = `/sys/bus/mdev/devices/${uuid}`;
    const group = host.readLink(`${device}/iommu_group`)?.split('/').pop() ?? '';
    assert.equal(host.tryOpen(`/dev/vfio/${group}`), 'free');
    assert.equal(host.readLink(`${device}/mdev_type`)?.split('/').pop(), 'labvgpu-1');
    assert.equal(await answer(host, `${device}/remove`, 'x'), 'EINVAL');
    assert.equal(await answer(host, `${device}/remove`, '0'), 'ok');
    assert.equal(host.tryOpen(`/dev/vfio/${group}`), 'free');
    assert.equal(await answer(host, `${device}/remove`, '1'), 'ok');
    assert.equal(host.tryOpen(`/dev/vfio/${group}`), 'absent');
    assert.deepEqual(host.list('/sys/bus/mdev/devices'), []);
  });
});
