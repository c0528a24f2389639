import assert from 'node:assert/strict';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import type { CpufreqSpec, MachineSpec } from '../../simulator/spec.ts';
import type { HoldId } from '../../src/claim/hold.ts';
import type { Host } from '../../src/host/host.ts';
import type { Seen, SeenOf } from '../../src/resource/kind.ts';
import { groupsOfHolds, readHolds } from '../../src/resource/readers.ts';
import { attribute } from '../simulator/machines.ts';
import { machineSpec } from '../scenario.ts';
import { PF } from './generators.ts';

const MIB = 1024;
const GIB = 1024 * MIB;

const memory = {
  sizesKb: [2 * MIB, GIB],
  compacts: true,
  nodes: [
    { totalKb: 8 * GIB, availableKb: 4 * GIB, wholeKb: 3 * GIB, pinnedKb: 0, pages: { [2 * MIB]: 100 } },
    { totalKb: 8 * GIB, availableKb: 2 * GIB, wholeKb: 2 * GIB, pinnedKb: 0, pages: { [2 * MIB]: 50 } },
  ],
} satisfies MachineSpec['memory'];

const lab = (facts: Partial<MachineSpec> = {}): Machine =>
  createMachine(machineSpec('lab-q35', { memory, ...facts }));

async function seen(machine: Machine, id: HoldId): Promise<Seen | undefined> {
  return (await readHolds(machine.host(), [id], 100))(id);
}

describe('what is seen of huge pages', () => {
  const pool = (key: string): HoldId => ({ kind: 'hugepages', key });
  const map = { do: 'map-pages', program: 'qemu', sizeKb: 2 * MIB } as const;

  it('is how many a pool keeps, and how many more there is memory for', async () => {
    assert.deepEqual(await seen(lab(), pool('2048kB')), {
      state: { pages: 150 },
      facts: { busy: 0, whole: (5 * GIB) / (2 * MIB), room: (6 * GIB) / (2 * MIB), compacts: true },
    });
    assert.deepEqual(await seen(lab(), pool('2048kB node1')), {
      state: { pages: 50 },
      facts: { busy: 0, whole: 1024, room: 1024, compacts: true },
    });
    assert.deepEqual((await seen(lab(), pool('1048576kB node0')))?.facts, {
      busy: 0,
      // Blocks so large are in no list of the kernel's.
      whole: 0,
      room: 4,
      compacts: true,
    });
  });

  it('has those that are in use or promised as busy', async () => {
    const machine = lab();
    machine.perform({ ...map, node: 0, pages: 40, touched: 30 });
    assert.equal((await seen(machine, pool('2048kB')))?.facts['busy'], 40);
    assert.equal(
      (await seen(machine, pool('2048kB node0')))?.facts['busy'],
      30,
      'the rest may come from node 1',
    );
    assert.equal((await seen(machine, pool('2048kB node1')))?.facts['busy'], 0);
  });

  it('keeps on a node what the others have not for a promise', async () => {
    const machine = lab();
    machine.perform({ ...map, pages: 130, touched: 0 });
    assert.equal((await seen(machine, pool('2048kB node0')))?.facts['busy'], 80);
    assert.equal((await seen(machine, pool('2048kB node1')))?.facts['busy'], 30);
  });

  it('does not count what is only lent to a pool', async () => {
    const machine = lab();
    machine.perform({ ...map, node: 0, pages: 40 });
    const nr = '/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages';
    await machine.host().write(nr, '10', 100);
    assert.equal(machine.host().read(nr), '40\n');
    assert.deepEqual((await seen(machine, pool('2048kB node0')))?.state, { pages: 10 });
  });

  it('is nothing where there is no such pool or node', async () => {
    for (const key of ['4096kB', '2048kB node2']) assert.equal(await seen(lab(), pool(key)), undefined, key);
    assert.equal(await seen(createMachine(machineSpec('laptop-hybrid')), pool('2048kB')), undefined);
  });

  it('has no compaction where the kernel has none', async () => {
    const machine = lab({ memory: { ...memory, compacts: false } });
    for (const key of ['2048kB', '2048kB node0'])
      assert.equal((await seen(machine, pool(key)))?.facts['compacts'], false);
  });
});

describe('what is seen of virtual functions', () => {
  const card: HoldId = { kind: 'vfs', key: PF };

  it('is their number, and what kind of card it is', async () => {
    assert.deepEqual(await seen(lab(), card), {
      state: { count: 0, autoprobe: true, power: 'on' },
      facts: {
        total: 7,
        offset: 128,
        stride: 2,
        driver: 'igb',
        deals: false,
        open: '',
        vendor: '8086',
        vfDevice: '10ca',
        vgpuTypes: '',
        subsystemVendor: '1af4',
        subsystemDevice: '1100',
        revision: '01',
        class: '020000',
      },
    });
  });

  it('is as somebody has set it', async () => {
    const machine = lab();
    const host = machine.host();
    await host.write(attribute(PF, 'sriov_drivers_autoprobe'), '0', 100);
    await host.write(attribute(PF, 'power/control'), 'auto', 100);
    await host.write(attribute(PF, 'sriov_numvfs'), '2', 100);
    assert.deepEqual((await seen(machine, card))?.state, { count: 2, autoprobe: false, power: 'auto' });
  });

  it('says who has one open', async () => {
    const machine = lab();
    const host = machine.host();
    const vf = '0000:02:10.2';
    await host.write(attribute(PF, 'sriov_numvfs'), '2', 100);
    await host.write(attribute(vf, 'driver_override'), 'vfio-pci', 100);
    await host.write('/sys/bus/pci/drivers_probe', vf, 100);
    machine.perform({ do: 'open-group', devices: [vf], guest: 'a', pid: 4711 });
    assert.equal((await seen(machine, card))?.facts['open'], '0000:02:10.2 is open in guest "a" (pid 4711)');
  });

  it('says that a card without a driver has none', async () => {
    const machine = lab();
    await machine.host().write('/sys/bus/pci/drivers/igb/unbind', PF, 100);
    assert.equal((await seen(machine, card))?.facts['driver'], '');
  });

  it('is nothing of a card that makes none, or is not there', async () => {
    for (const key of ['0000:03:00.0', '0000:7f:00.0'])
      assert.equal(await seen(lab(), { kind: 'vfs', key }), undefined, key);
  });

  it('is not waited for without an end', async () => {
    const machine = lab();
    const host = machine.host();
    machine.perform({ do: 'fault', rule: { path: '*/sriov_numvfs', on: 'read', effect: { kind: 'hang' } } });
    await assert.rejects(readHolds(host, [card], 100), { code: 'VH_STUCK' });
  });
});

describe('what is seen of vGPUs', () => {
  const VF: HoldId = { kind: 'vgpu', key: '0000:41:00.4' };
  const server = (): Machine => {
    const machine = createMachine(machineSpec('nvidia-vgpu-server'));
    machine.perform({ do: 'load', module: 'vfio-pci' });
    return machine;
  };
  const type = (address: string): string => attribute(address, 'nvidia/current_vgpu_type');

  it('is what lives on a function, and what could', async () => {
    const machine = server();
    await machine.host().write(type('0000:41:00.5'), '1152', 100);
    assert.deepEqual(await seen(machine, VF), {
      state: { type: 0 },
      facts: {
        physical: '0000:41:00.0',
        creatable: '1152 NVIDIA L40S-8Q',
        known: '1152 NVIDIA L40S-8Q',
        taken: '0000:41:00.5 1152',
        open: '',
        expected: false,
        unmanaged: false,
      },
    });
  });

  it('has the names of types from a free one, where it is something itself', async () => {
    const machine = server();
    await machine.host().write(type(VF.key), '1152', 100);
    machine.perform({ do: 'open-group', devices: [VF.key], guest: 'a', pid: 4711 });
    const facts = (await seen(machine, VF))?.facts;
    assert.ok(facts);
    assert.deepEqual(
      [facts['creatable'], facts['known'], facts['open']],
      ['', '1152 NVIDIA L40S-8Q', '0000:41:00.4 is open in guest "a" (pid 4711)'],
    );
  });

  it('is nothing where there is no such function', async () => {
    for (const key of ['0000:41:00.0', '0000:61:00.4', '0000:03:00.0'])
      assert.equal(await seen(server(), { kind: 'vgpu', key }), undefined, key);
  });

  it('is not waited for without an end', async () => {
    const machine = server();
    const rule = { path: '*/creatable_vgpu_types', on: 'read', effect: { kind: 'hang' } } as const;
    machine.perform({ do: 'fault', rule });
    await assert.rejects(readHolds(machine.host(), [VF], 100), { code: 'VH_STUCK' });
  });
});

describe('what is seen of the frequency of CPUs', () => {
  const cpufreq: CpufreqSpec = {
    driver: 'amd-pstate-epp',
    policies: 1,
    cpus: 1,
    governors: ['performance', 'powersave'],
    governor: 'powersave',
  };
  const withPreference: CpufreqSpec = { ...cpufreq, epp: 'power' };
  const id: HoldId = { kind: 'frequency', key: 'policy0' };
  const facts = { driver: 'amd-pstate-epp', offered: ['performance', 'powersave'], hidden: false };

  it('is the governor, and the preference where there is one', async () => {
    assert.deepEqual(await seen(lab({ cpufreq: withPreference }), id), {
      state: { governor: 'powersave', epp: 'power' },
      facts,
    });
    assert.deepEqual(await seen(lab({ cpufreq }), id), {
      state: { governor: 'powersave', epp: '' },
      facts,
    });
  });

  it('is that there is a preference which cannot be read', async () => {
    const host = lab({ cpufreq: withPreference }).host();
    const hiding: Host = {
      ...host,
      read: (path) => (path.endsWith('_preference') ? undefined : host.read(path)),
    };
    assert.deepEqual((await readHolds(hiding, [id], 100))(id), {
      state: { governor: 'powersave', epp: '' },
      facts: { ...facts, hidden: true },
    });
  });

  it('is nothing where there is no such policy', async () => {
    assert.equal(await seen(lab(), id), undefined);
    assert.equal(await seen(lab({ cpufreq }), { ...id, key: 'policy1' }), undefined);
  });
});

describe('what is seen of parameters', () => {
  const id: HoldId = { kind: 'parameter', key: 'vfio_iommu_type1 allow_unsafe_interrupts' };

  it('is their value, once their module is there', async () => {
    assert.deepEqual(await seen(lab(), id), { state: { value: 'N' }, facts: {} });
    const without = machineSpec('amd-rdna3-desktop');
    assert.equal(await seen(createMachine(without), id), undefined);
    assert.equal(await seen(lab(), { kind: 'parameter', key: 'vfio_pci nothing' }), undefined);
  });
});

describe('what is seen of mediated devices', () => {
  const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
  const id: HoldId = { kind: 'mdev', key: UUID };
  const create = '/sys/class/mdev_bus/0000:41:00.4/mdev_supported_types/nvidia-593/create';
  const server = (): Machine => createMachine(machineSpec('nvidia-vgpu-mdev'));

  it('is that one is not there, and what could be made', async () => {
    const none = (await readHolds(server().host(), [id], 100))(id) as SeenOf<'mdev'>;
    assert.deepEqual(none.state, { parent: '', type: '' });
    assert.equal(none.facts.open, '');
    assert.deepEqual(
      none.facts.parents.map(({ name, driver }) => [name, driver]),
      [4, 5, 6, 7].map((fn) => [`0000:41:00.${fn}`, 'nvidia']),
    );
    assert.deepEqual(none.facts.parents[0]?.types[1], {
      id: 'nvidia-593',
      name: 'NVIDIA A10-4Q',
      description: 'num_heads=4, frl_config=60, framebuffer=4096M, max_resolution=7680x4320, max_instance=6',
      deviceApi: 'vfio-pci',
      available: 1,
    });
    const card = none.facts.graphics.find(({ address }) => address === '0000:41:00.0');
    assert.deepEqual([card?.address, card?.totalVfs, card?.numVfs], ['0000:41:00.0', 32, 4]);
  });

  it('is what one is, and who has it open', async () => {
    const machine = server();
    await machine.host().write(create, UUID, 100);
    machine.perform({ do: 'open-group', devices: [], mdevs: [UUID], guest: 'a', pid: 4711 });
    const seen = (await readHolds(machine.host(), [id], 100))(id) as SeenOf<'mdev'>;
    assert.deepEqual(seen.state, { parent: '0000:41:00.4', type: 'nvidia-593' });
    assert.equal(seen.facts.open, 'guest "a" (pid 4711)');
    assert.deepEqual(seen.facts.devices, { [UUID]: seen.state });
    assert.deepEqual(seen.facts.parents[0]?.devices, [UUID]);
    const group = machine.state().mdevs[UUID]?.group;
    assert.deepEqual(groupsOfHolds(machine.host(), [id, { kind: 'hugepages', key: '2048kB' }]), [group]);
  });

  it('is what GVT-g depends on', async () => {
    const machine = createMachine(machineSpec('intel-gvt-g'));
    const kernel = async (): Promise<unknown> =>
      ((await readHolds(machine.host(), [id], 100))(id) as SeenOf<'mdev'>).facts.kernel;
    assert.deepEqual(await kernel(), { kvmgt: 'loadable', enableGvt: 'Y', enableGuc: '0', vgpuKvm: '' });
    machine.perform({ do: 'load', module: 'kvmgt' });
    assert.deepEqual(await kernel(), { kvmgt: 'loaded', enableGvt: 'Y', enableGuc: '0', vgpuKvm: '' });
    const amd = (await readHolds(createMachine(machineSpec('amd-rdna3-desktop')).host(), [id], 100))(id);
    assert.deepEqual((amd as SeenOf<'mdev'>).facts.kernel, {
      kvmgt: 'absent',
      enableGvt: '',
      enableGuc: '',
      vgpuKvm: '',
    });
  });
});

describe('readHolds', () => {
  it('looks at all kinds, and knows nothing of what it was not asked for', async () => {
    const asked: HoldId[] = [
      { kind: 'hugepages', key: '2048kB' },
      { kind: 'vfs', key: PF },
      { kind: 'hugepages', key: '2048kB node0' },
    ];
    const look = await readHolds(lab().host(), asked, 100);
    for (const id of asked) assert.ok(look(id), id.key);
    assert.equal(look({ kind: 'hugepages', key: '2048kB node1' }), undefined);
    assert.equal(look({ kind: 'parameter', key: 'a b' }), undefined);
  });
});
