import assert from 'node:assert/strict';
import type { Machine } from '../../simulator/machine.ts';
import { answer, example } from './machines.ts';

const [FIRST, SECOND] = ['83b8f4f2-509f-382f-3c1e-e6bfe0fa1001', '83b8f4f2-509f-382f-3c1e-e6bfe0fa1002'];
const GPU = '0000:00:02.0';

const types = (parent: string): string => `/sys/class/mdev_bus/${parent}/mdev_supported_types`;
const left = (machine: Machine, parent: string, type: string): number =>
  Number(machine.host().read(`${types(parent)}/${type}/available_instances`));
const create = (machine: Machine, parent: string, type: string, uuid: string): Promise<string> =>
  answer(machine.host(), `${types(parent)}/${type}/create`, uuid);

describe('mediated devices of GVT-g', () => {
  async function desktop(): Promise<Machine> {
    const machine = example('intel-gvt-g');
    await machine.host().loadModule('kvmgt', 100, { obeyBlacklist: true });
    return machine;
  }
  const v5 = (number: number): string => `i915-GVTg_V5_${number}`;

  it('are offered once kvmgt is loaded, and only while i915 has the card', async () => {
    const machine = example('intel-gvt-g');
    assert.deepEqual(machine.host().list('/sys/class/mdev_bus'), []);
    await machine.host().loadModule('kvmgt', 100, { obeyBlacklist: true });
    assert.deepEqual(machine.host().list('/sys/class/mdev_bus'), [GPU]);
    assert.equal(await answer(machine.host(), '/sys/bus/pci/drivers/i915/unbind', GPU), 'ok');
    assert.deepEqual(machine.host().list('/sys/class/mdev_bus'), []);
  });

  it('take from one aperture, whatever their type', async () => {
    const machine = await desktop();
    assert.deepEqual(
      [8, 4, 2].map((n) => left(machine, GPU, v5(n))),
      [6, 3, 1],
    );
    assert.equal(await create(machine, GPU, v5(4), FIRST), 'ok');
    assert.deepEqual(
      [8, 4, 2].map((n) => left(machine, GPU, v5(n))),
      [4, 2, 1],
    );
    assert.equal(await create(machine, GPU, v5(2), SECOND), 'ok');
    assert.deepEqual(
      [8, 4, 2].map((n) => left(machine, GPU, v5(n))),
      [0, 0, 0],
    );
    assert.equal(await create(machine, GPU, v5(8), SECOND.replace('2-', '3-')), 'EUSERS');
  });

  it('are in the directory of their card, and in the group that is theirs', async () => {
    const machine = await desktop();
    await create(machine, GPU, v5(4), FIRST);
    const host = machine.host();
    assert.equal(
      host.readLink(`/sys/bus/mdev/devices/${FIRST}`),
      `../../../devices/pci0000:00/${GPU}/${FIRST}`,
    );
    const group = host.readLink(`/sys/bus/mdev/devices/${FIRST}/iommu_group`)?.split('/').pop() ?? '';
    assert.deepEqual(host.list(`/sys/kernel/iommu_groups/${group}/devices`), [FIRST]);
    assert.ok(host.list(`/sys/bus/pci/devices/${GPU}`)?.includes(FIRST));
    assert.deepEqual(host.list(`${types(GPU)}/${v5(4)}/devices`), [FIRST]);
  });

  it('are one for each guest', async () => {
    const machine = await desktop();
    await create(machine, GPU, v5(8), FIRST);
    await create(machine, GPU, v5(8), SECOND);
    const both = machine.perform({ do: 'open-group', devices: [], mdevs: [FIRST, SECOND], guest: 'a' });
    assert.deepEqual(both, { kind: 'refused', stage: 'device', errno: 'EEXIST' });
    machine.perform({ do: 'open-group', devices: [], mdevs: [FIRST], guest: 'a' });
    const other = machine.perform({ do: 'open-group', devices: [], mdevs: [SECOND], guest: 'b' });
    assert.deepEqual(other, { kind: 'done' });
  });

  it('have left their bus, and still take their room, while the driver does not let them go', async () => {
    const machine = await desktop();
    await create(machine, GPU, v5(4), FIRST);
    const rule = { id: 'slow', on: 'remove', path: `vfio_mdev/${FIRST}`, effect: { kind: 'hang' } } as const;
    machine.perform({ do: 'fault', rule });
    const remove = `/sys/bus/mdev/devices/${FIRST}/remove`;
    assert.equal((await machine.host().write(remove, '1', 10)).kind, 'stuck');
    assert.deepEqual(machine.host().list('/sys/bus/mdev/devices'), []);
    assert.equal(left(machine, GPU, v5(4)), 2);
    machine.perform({ do: 'release-fault', id: 'slow' });
    assert.equal(left(machine, GPU, v5(4)), 3);
  });

  it('go with the driver of their card, which waits for whoever has one open', async () => {
    const machine = await desktop();
    await create(machine, GPU, v5(8), FIRST);
    machine.perform({ do: 'open-group', devices: [], mdevs: [FIRST], guest: 'a' });
    assert.equal(await answer(machine.host(), '/sys/bus/pci/drivers/i915/unbind', GPU), 'stuck');
    assert.deepEqual(machine.host().list('/sys/bus/mdev/devices'), []);
    machine.perform({ do: 'close-group', guest: 'a' });
    assert.deepEqual(machine.state().mdevs, {});
    assert.equal(machine.state().devices[GPU]?.driver, undefined);
  });
});

describe('mediated devices of NVIDIA’s virtual functions', () => {
  const [VF0, VF1, VF2] = ['0000:41:00.4', '0000:41:00.5', '0000:41:00.6'];

  it('are one for each function, and of one size on a card', async () => {
    const machine = example('nvidia-vgpu-mdev');
    assert.equal(left(machine, VF0, 'nvidia-593'), 1);
    assert.equal(await create(machine, VF0, 'nvidia-593', FIRST), 'ok');
    assert.deepEqual([left(machine, VF0, 'nvidia-593'), left(machine, VF1, 'nvidia-593')], [0, 1]);
    assert.deepEqual([left(machine, VF0, 'nvidia-591'), left(machine, VF1, 'nvidia-591')], [0, 0]);
    assert.equal(await create(machine, VF2, 'nvidia-591', SECOND), 'EUSERS');
    assert.equal(await answer(machine.host(), `/sys/bus/mdev/devices/${FIRST}/remove`, '1'), 'ok');
    assert.equal(await create(machine, VF2, 'nvidia-591', SECOND), 'ok');
  });

  it('have files of their driver, which keep what is written', async () => {
    const machine = example('nvidia-vgpu-mdev');
    await create(machine, VF0, 'nvidia-593', FIRST);
    const file = `/sys/bus/mdev/devices/${FIRST}/nvidia/vgpu_params`;
    assert.equal(await answer(machine.host(), file, 'frame_rate_limiter=0'), 'ok');
    assert.equal(machine.host().read(file), 'frame_rate_limiter=0\n');
    assert.equal(await answer(machine.host(), `/sys/bus/mdev/devices/${SECOND}/remove`, '1'), 'ENOENT');
  });
});
