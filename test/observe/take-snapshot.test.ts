import assert from 'node:assert/strict';
import { hintText } from '../../src/hint.ts';
import { VfioHookError } from '../../src/errors.ts';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import { allGroups, groupsOf, presentGroups, takeSnapshot } from '../../src/observe/take-snapshot.ts';
import { failureOf, machineSpec, pci } from '../scenario.ts';
import { fakeHost } from '../host/fake-host.ts';

const GPU = pci('0000:03:00.0');
const SOUND = pci('0000:03:00.1');
const USB = pci('0000:0f:00.3');
const amd = (): Machine => createMachine(machineSpec('amd-rdna3-desktop'));

function refusal(action: () => unknown): VfioHookError {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof VfioHookError, String(error));
    return error;
  }
  assert.fail('nothing was refused');
}

describe('groupsOf', () => {
  it('is each group once, in ascending order', () => {
    const host = amd().host();
    assert.deepEqual(groupsOf(host, [USB, SOUND, GPU]), [16, 22]);
    assert.deepEqual(groupsOf(host, []), []);
  });

  it('refuses an address without a device', () => {
    const error = refusal(() => groupsOf(amd().host(), [GPU, pci('0000:2a:00.0')]));
    assert.deepEqual(
      [error.code, error.message, error.device],
      ['VH_NO_DEVICE', 'there is no PCI device 0000:2a:00.0 on this host', '0000:2a:00.0'],
    );
    assert.match(hintText(error.hints[0]!), /^compare with lspci -D/);
  });

  it('says that the IOMMU is off, and how it is turned on', () => {
    const host = createMachine(machineSpec('amd-rdna3-desktop', { iommu: false })).host();
    const error = refusal(() => groupsOf(host, [GPU]));
    assert.deepEqual(
      [error.code, error.message],
      ['VH_NO_IOMMU', `${GPU} cannot be given to a guest: the IOMMU is off`],
    );
    assert.match(hintText(error.hints[0]!), /VT-d .*intel_iommu=on/);
  });

  it('tells a single device without a group from an IOMMU that is off', () => {
    const host = fakeHost({
      files: { [`/sys/bus/pci/devices/${GPU}/vendor`]: '0x1002\n' },
      empty: ['/sys/kernel/iommu_groups/0'],
    });
    const error = refusal(() => groupsOf(host, [GPU]));
    assert.equal(error.message, `${GPU} has no IOMMU group, so it cannot be given to a guest`);
  });
});

describe('allGroups', () => {
  it('is every group, by number and not by text', () => {
    const host = fakeHost({ empty: ['9', '10', '0', 'x'].map((name) => `/sys/kernel/iommu_groups/${name}`) });
    assert.deepEqual(allGroups(host), [0, 9, 10]);
  });

  it('is none where the IOMMU is off', () => {
    const host = createMachine(machineSpec('amd-rdna3-desktop', { iommu: false })).host();
    assert.deepEqual(allGroups(host), []);
  });
});

describe('presentGroups', () => {
  it('passes over devices that are gone', () => {
    assert.deepEqual(presentGroups(amd().host(), [pci('0000:2a:00.0'), GPU]), [16]);
    assert.deepEqual(presentGroups(amd().host(), [pci('0000:2a:00.0')]), []);
  });
});

describe('takeSnapshot', () => {
  it('reads the groups with every member, and what is true of the whole host', async () => {
    const { kernelRelease, groups, devices, drivers, variants, ...rest } = await takeSnapshot(
      amd().host(),
      [22, 16],
      { deadlineMs: 100 },
    );
    assert.match(kernelRelease, /^6\.12\.\d+/);
    assert.deepEqual(groups, [
      { number: 22, type: 'DMA-FQ', members: [USB], otherMembers: [], open: false },
      { number: 16, type: 'DMA-FQ', members: [GPU, SOUND], otherMembers: [], open: false },
    ]);
    assert.deepEqual(
      devices.map(({ address }) => address),
      [GPU, SOUND, USB],
    );
    assert.ok(drivers.includes('amdgpu') && !drivers.includes('vfio-pci'));
    assert.deepEqual(
      [variants, rest],
      [
        [],
        {
          uses: [],
          asked: [],
          vfio: { interrupts: 'unknown', unsafeInterrupts: undefined, driver: 'module', backEnd: 'module' },
          silent: [],
        },
      ],
      'libvirt’s version is looked up only where it matters',
    );
  });

  it('reads what the host uses the devices for, unless a way back does not ask', async () => {
    const machine = amd();
    machine.perform({ do: 'hold-node', path: '/dev/snd/controlC1', program: 'pipewire' });
    const { uses } = await takeSnapshot(machine.host(), [16], { deadlineMs: 100 });
    assert.deepEqual(
      uses.map(({ device, reason }) => [device, reason]),
      [[SOUND, 'held']],
    );
    const host = { ...machine.host(), holders: () => assert.fail('it looked at processes') };
    assert.deepEqual((await takeSnapshot(host, [16], { deadlineMs: 100, uses: 'unread' })).uses, []);
  });

  it('has nothing for no groups', async () => {
    const { groups, devices } = await takeSnapshot(amd().host(), [], { deadlineMs: 100 });
    assert.deepEqual([groups, devices], [[], []]);
  });

  it('changes nothing', async () => {
    const machine = amd();
    const before = machine.state();
    await takeSnapshot(machine.host(), [16], { deadlineMs: 100 });
    assert.deepEqual(
      { ...machine.state(), clock: 0, processes: [], next: {} },
      { ...before, clock: 0, processes: [], next: {} },
    );
  });

  it('tells that a group is open, and in which guest', async () => {
    const machine = amd();
    machine.perform({ do: 'load', module: 'vfio-pci' });
    const host = machine.host();
    for (const [device, driver] of [
      [GPU, 'amdgpu'],
      [SOUND, 'snd_hda_intel'],
    ] as const) {
      await host.write(`/sys/bus/pci/devices/${device}/driver_override`, 'vfio-pci', 100);
      await host.write(`/sys/bus/pci/drivers/${driver}/unbind`, device, 100);
      await host.write('/sys/bus/pci/drivers/vfio-pci/bind', device, 100);
    }
    machine.perform({ do: 'open-group', devices: [GPU], guest: 'win\u001b11', pid: 4321 });
    const [group] = (await takeSnapshot(machine.host(), [16], { deadlineMs: 100 })).groups;
    assert.deepEqual([group?.open, group?.openBy], [true, 'guest "win\\u{1b}11" (pid 4321)']);
  });

  it('sets members that are no PCI devices apart', async () => {
    const host = fakeHost({
      files: { '/sys/kernel/iommu_groups/7/devices/fe800000.dma/of_node': '' },
      links: { [`/sys/kernel/iommu_groups/7/devices/${GPU}`]: '..' },
    });
    const [group] = (await takeSnapshot(host, [7], { deadlineMs: 100 })).groups;
    assert.deepEqual(group, { number: 7, members: [GPU], otherMembers: ['fe800000.dma'], open: false });
  });

  it('finds the variant drivers for these devices, and with them libvirt’s version', async () => {
    const host = createMachine(machineSpec('server-8-gpu')).host();
    const vf = pci('0000:b1:00.2');
    const { variants, libvirtVersion } = await takeSnapshot(host, groupsOf(host, [vf]), { deadlineMs: 100 });
    assert.deepEqual(
      variants.map(({ module }) => module),
      ['mlx5_vfio_pci'],
    );
    assert.match(libvirtVersion ?? '', /^\d+\.\d+\.\d+$/);
  });

  for (const [target, version] of [
    ['libvirt.so.0.11003.0', '11.3.0'],
    ['libvirt.so.0.9000.0', '9.0.0'],
    ['libvirt.so.0.12008.1', '12.8.1'],
    ['libvirt.so.0', undefined],
    ['something-else', undefined],
  ] as const) {
    it(`takes libvirt ${version ?? 'unknown'} from a library called ${target}`, async () => {
      const host = fakeHost({
        files: {
          '/proc/sys/kernel/osrelease': '6.12\n',
          '/lib/modules/6.12/modules.alias':
            'alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n',
          [`/sys/bus/pci/devices/${GPU}/vendor`]: '0x15b3\n',
          [`/sys/bus/pci/devices/${GPU}/modalias`]: 'pci:v000015B3d0000101Esv00000000sd00000000bc02sc00i00\n',
        },
        links: { '/usr/lib64/libvirt.so.0': target, [`/sys/kernel/iommu_groups/7/devices/${GPU}`]: '..' },
      });
      const snapshot = await takeSnapshot(host, [7], { deadlineMs: 100 });
      assert.equal(snapshot.variants.length, 1);
      assert.equal(snapshot.libvirtVersion, version);
    });
  }

  it('gives up on a device that does not answer, and can leave it out (Linux 6.1)', async () => {
    const machine = createMachine(machineSpec('amd-rdna3-desktop', { kernel: '6.1' }));
    machine.perform({ do: 'hold-node', path: '/dev/snd/controlC1', program: 'pipewire' });
    const host = machine.host();
    assert.equal((await host.write('/sys/bus/pci/drivers/snd_hda_intel/unbind', SOUND, 50)).kind, 'stuck');
    const error = await failureOf(takeSnapshot(host, [16], { deadlineMs: 50 }));
    assert.equal(error.code, 'VH_STUCK');
    assert.equal(
      error.message,
      `the kernel does not answer for /sys/bus/pci/devices/${SOUND}/driver_override: a driver is stuck with the device`,
    );
    const { devices } = await takeSnapshot(host, [16], { deadlineMs: 50, without: [SOUND] });
    assert.deepEqual(
      devices.map(({ address }) => address),
      [GPU],
    );
  });

  it('passes over a device that leaves while it looks', async () => {
    const machine = amd();
    const host = machine.host();
    const leaving = {
      ...host,
      readLocked: async (...call: Parameters<typeof host.readLocked>) => {
        machine.perform({ do: 'unplug', device: SOUND });
        return host.readLocked(...call);
      },
    };
    const { devices } = await takeSnapshot(leaving, [16], { deadlineMs: 100 });
    assert.deepEqual(
      devices.map(({ address }) => address),
      [GPU],
    );
  });
});
