import assert from 'node:assert/strict';
import { guestOwner } from '../../../src/claim/owner.ts';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultConfig } from '../../../src/config/config.ts';
import { pciHostdevs } from '../../../src/domain/domain.ts';
import { parseDomain } from '../../../src/domain/parse.ts';
import { makePlan } from '../../../src/engine/make-plan.ts';
import { describeMachine, nearestKernel } from '../../../simulator/describe/machine.ts';
import type { Host } from '../../../src/host/host.ts';
import { linuxHost } from '../../../src/host/linux/host.ts';
import { parseDescription } from '../../../simulator/description.ts';
import { createMachine, type Machine } from '../../../simulator/machine.ts';
import type { MachineSpec, SriovSpec, VfSetting } from '../../../simulator/spec.ts';
import { groupsOf, takeSnapshot } from '../../../src/observe/take-snapshot.ts';
import { pciNames } from '../../../src/pci/names.ts';
import { sysfs } from '../../../src/pci/sysfs.ts';
import type { Snapshot } from '../../../src/pci/snapshot.ts';
import { readTopology } from '../../../src/observe/read-topology.ts';
import { diskUses } from '../../../src/observe/uses/disks.ts';
import { keyboardUses } from '../../../src/observe/uses/keyboards.ts';
import { machineSpec, pci } from '../../scenario.ts';

const examples = fileURLToPath(new URL('../../../examples/', import.meta.url));
const hosts = readdirSync(join(examples, 'hosts')).map((file) => file.replace(/\.yaml$/, ''));
const domains = readdirSync(join(examples, 'domains'));
const noNames = pciNames();

/** A card with virtual functions that are not there. */
const SRIOV: SriovSpec = { totalVfs: 4, numVfs: 0, offset: 1, stride: 1, vfDevice: 'e212', vfBars: [] };

/** A machine, written down and booted from what was written. */
async function again(host: Host): Promise<Machine> {
  const { description, gaps } = await describeMachine(host, noNames);
  assert.deepEqual(gaps, []);
  return createMachine(parseDescription(JSON.stringify(description), 'host.json'));
}

async function whole(host: Host): Promise<Snapshot> {
  const groups = (host.list(sysfs.groups) ?? []).map(Number).sort((a, b) => a - b);
  return takeSnapshot(host, groups, { deadlineMs: 1000 });
}

/** What a start of each guest would come to: its plan, or the sentence that refuses it. */
async function plans(host: Host): Promise<unknown[]> {
  return Promise.all(
    domains.map(async (file) => {
      const domain = parseDomain(readFileSync(join(examples, 'domains', file), 'utf8'));
      const hostdevs = pciHostdevs(domain);
      try {
        const groups = groupsOf(
          host,
          hostdevs.map(({ address }) => address),
        );
        const owner = guestOwner(domain);
        const planned = await makePlan({ host, owner, hostdevs, groups, config: defaultConfig, claims: [] });
        return planned.plan;
      } catch (error) {
        return (error as Error).message;
      }
    }),
  );
}

/** Without the sentences about what the host uses: names of volumes and keyboards are not written down. */
function wordless(value: unknown): unknown {
  const text = JSON.stringify(value, (key, each: unknown) => {
    if (key === 'detail' || key === 'hints') return undefined;
    return typeof each === 'string'
      ? each.replace(/^the host (uses|runs from) it: .*/, 'the host $1 it')
      : each;
  });
  return JSON.parse(text);
}

/** What the host uses its devices for, without the names that are not written down. */
async function uses(machine: Machine): Promise<unknown> {
  const { spec } = machine.state();
  const host = machine.host();
  const addresses = spec.devices
    .filter((device) => !device.class.startsWith('06'))
    .map(({ address }) => pci(address));
  const words = [...(await diskUses(host, addresses, 1000)), ...keyboardUses(host, addresses)];
  return {
    console: spec.console,
    uses: words.map(({ device, reason }) => `${device} ${reason}`).sort(),
    devices: spec.devices
      .map(({ address, nodes, claimedNodes, entries }) => ({
        address,
        nodes: nodes.filter((node) => !/^\/dev\/(?:nvidia|vda)/.test(node)),
        claimedNodes,
        entries: Object.keys(entries)
          .filter((path) => !/^usb|holders\/./.test(path))
          .sort(),
      }))
      .sort((a, b) => (a.address < b.address ? -1 : 1)),
  };
}

describe('describeMachine', () => {
  for (const title of hosts) {
    it(`${title}: written down and booted again it is the same machine`, async () => {
      // What runs is not written down.
      const machine = createMachine(machineSpec(title, { processes: [], logins: [] }));
      const other = await again(machine.host());
      const [before, after] = [await whole(machine.host()), await whole(other.host())];
      // Drivers that no device is on are not written down.
      assert.deepEqual(wordless({ ...after, drivers: [] }), wordless({ ...before, drivers: [] }));
      assert.deepEqual(readTopology(other.host()), readTopology(machine.host()));
      assert.deepEqual(wordless(await plans(other.host())), wordless(await plans(machine.host())));
      assert.deepEqual(await uses(other), await uses(machine));
      // What compacting cannot move is not known before it is tried.
      const memory = machine.state().spec.memory;
      const nodes = memory?.nodes.map((node) => ({ ...node, pinnedKb: 0 }));
      assert.deepEqual(other.state().spec.memory, memory && { ...memory, nodes });
    });
  }

  it('a kernel without large huge pages, and one that cannot be told to compact its memory', async () => {
    const { memory } = machineSpec('lab-q35');
    assert.ok(memory);
    const few = { ...memory, sizesKb: [2048], compacts: false };
    const other = await again(createMachine(machineSpec('lab-q35', { memory: few })).host());
    assert.deepEqual(other.state().spec.memory, few);
  });

  it('a machine without an IOMMU, and one with a device without a group', async () => {
    const off = await again(createMachine(machineSpec('amd-rdna3-desktop', { iommu: false })).host());
    assert.equal(off.state().spec.iommu, false);
    const unchecked = createMachine(machineSpec('amd-rdna3-desktop', { interruptRemapping: false })).host();
    assert.equal((await again(unchecked)).state().spec.interruptRemapping, false);
    const host = createMachine(machineSpec('amd-rdna3-desktop')).host();
    const without: Host = {
      ...host,
      readLink: (path) => (path.endsWith('0000:06:00.0/iommu_group') ? undefined : host.readLink(path)),
    };
    const { devices } = (await again(without)).state();
    const groups = Object.values(devices).filter(({ group }) => group === devices['0000:06:00.0']?.group);
    assert.equal(groups.length, 1);
  });

  it('devices on vfio-pci, with an override and by their ids alone', async () => {
    const { modules } = machineSpec('amd-rdna3-desktop');
    const loaded = modules.map((module) => ({
      ...module,
      loaded: module.loaded || /^vfio|^irq/.test(module.name),
    }));
    const machine = createMachine(
      machineSpec(
        'amd-rdna3-desktop',
        { modules: loaded },
        {
          '0000:03:00.0': { driver: 'vfio-pci', driverOverride: 'vfio-pci' },
          '0000:03:00.1': { driver: 'vfio-pci' },
        },
      ),
    );
    const devices = (await again(machine.host())).state().devices;
    assert.deepEqual(
      ['0000:03:00.0', '0000:03:00.1'].map((address) => [
        devices[address]?.driver,
        devices[address]?.driverOverride,
      ]),
      [
        ['vfio-pci', 'vfio-pci'],
        ['vfio-pci', undefined],
      ],
    );
  });

  const sriovOf = (machine: Machine, address: string): SriovSpec | undefined =>
    machine.state().spec.devices.find((device) => device.address === address)?.sriov;

  it('how graphics cards deal out shares', async () => {
    const prelim = await again(createMachine(machineSpec('i915-sriov')).host());
    assert.deepEqual(sriovOf(prelim, '0000:00:02.0')?.profile, {
      interface: 'prelim',
      gts: 2,
      card: 'card0',
    });

    // How much memory there is for functions is taken for the largest BAR, which it is not quite.
    const [card, gib] = ['0000:04:00.0', 2 ** 30];
    const xe = createMachine(machineSpec('xe-sriov'));
    const written = { interface: 'xe', card: 'card1' };
    assert.deepEqual(sriovOf(await again(xe.host()), card)?.profile, { ...written, vram: 16 * gib });

    const big = machineSpec(
      'xe-sriov',
      {},
      { [card]: { bars: [{ index: 2, size: 2 ** 28, kind: 'pref64', sizes: [] }] } },
    );
    const small = createMachine(big);
    await small
      .host()
      .write(`/sys/bus/pci/devices/${card}/sriov_admin/vf1/profile/vram_quota`, String(3 * gib), 100);
    await small
      .host()
      .write(`/sys/bus/pci/devices/${card}/sriov_admin/vf3/profile/vram_quota`, String(gib), 100);
    assert.equal(sriovOf(await again(small.host()), card)?.profile?.vram, 4 * gib);

    const integrated = machineSpec(
      'xe-sriov',
      {},
      { [card]: { sriov: { ...SRIOV, profile: { interface: 'xe' } } } },
    );
    assert.deepEqual(sriovOf(await again(createMachine(integrated).host()), card)?.profile, written);
    assert.equal(
      sriovOf(await again(createMachine(machineSpec('igb-nic')).host()), '0000:02:00.0')?.profile,
      undefined,
    );
  });

  it('what the driver of a network card does not tell of functions that are there', async () => {
    const card = '0000:17:00.0';
    const refusing = (...refuses: readonly VfSetting[]): Machine => {
      const sriov = sriovOf(createMachine(machineSpec('sriov-nic')), card);
      assert.ok(sriov?.net && sriov.numVfs > 0);
      return createMachine(
        machineSpec('sriov-nic', {}, { [card]: { sriov: { ...sriov, net: { ...sriov.net, refuses } } } }),
      );
    };
    const found = async (host: Host): Promise<unknown> => sriovOf(await again(host), card)?.net?.refuses;
    assert.deepEqual(await found(refusing('trust', 'spoofchk').host()), ['spoofchk', 'trust']);
    assert.deepEqual(await found(refusing('trust').host()), ['trust']);
    // Whether the others can be set is known once somebody tries.
    assert.deepEqual(await found(refusing('mac', 'state').host()), []);
    const host = refusing('trust').host();
    const mute: Host = {
      ...host,
      run: (program, ...more) =>
        program === 'ip'
          ? Promise.resolve({ kind: 'exited', status: 1, stdout: '', stderr: 'no' })
          : host.run(program, ...more),
    };
    assert.deepEqual(await found(mute), []);
  });

  it('a driver that is stuck with a device: written down without what would not answer, and said', async () => {
    const machine = createMachine(machineSpec('sriov-nic'));
    machine.perform({ do: 'fault', rule: { on: 'read', path: '*/sriov_numvfs', effect: { kind: 'hang' } } });
    const host = machine.host();
    const quick: Host = { ...host, readLocked: (paths) => host.readLocked(paths, 50) };
    const { gaps, description } = await describeMachine(quick, noNames);
    assert.equal(gaps.length, 1);
    assert.ok(parseDescription(JSON.stringify(description), 'host.json').devices.length > 5);
  });

  it('a disk that the host runs from stays one, whichever of its mount points comes first', async () => {
    const machine = (disk: string): Machine =>
      createMachine(
        parseDescription(
          `name: disks\ndevices: [{ address: '0000:01:00.0', id: '144d:a80a', class: '010802', group: 1, driver: nvme, disk: ${disk} }]`,
          'disks.yaml',
        ),
      );
    for (const disk of [
      '{ name: nvme0n1, partitions: { nvme0n1p1: [{ btrfs: a, mount: /home }, { btrfs: a, mount: / }] } }',
      '{ name: nvme0n1, partitions: { nvme0n1p1: [{ zfs: a, mount: /home }, { zfs: a, mount: / }] } }',
      '{ name: nvme0n1, partitions: { nvme0n1p1: /nix/store } }',
    ]) {
      const other = await again(machine(disk).host());
      assert.deepEqual(
        (await diskUses(other.host(), [pci('0000:01:00.0')], 1000)).map(({ reason }) => reason),
        ['root-disk'],
      );
    }
  });

  it('a disk behind a volume is in use where the volume is', async () => {
    const spec = machineSpec('nvme-host');
    const files: Record<string, string> = {
      ...spec.files,
      '/sys/class/block/dm-0/dev': '253:0\n',
      '/sys/class/block/dm-1/dev': '253:1\n',
      '/sys/class/block/dm-0/holders/dm-1': '-> /sys/class/block/dm-1',
      '/proc/self/mountinfo': `${spec.files['/proc/self/mountinfo'] ?? ''}90 1 253:1 / /home rw - ext4 /dev/mapper/hans-home rw\n`,
    };
    const devices = spec.devices.map((device) =>
      device.address === '0000:03:00.0'
        ? {
            ...device,
            entries: {
              ...device.entries,
              'nvme/nvme2/nvme2n1/nvme2n1p1/holders/dm-0': '-> /sys/class/block/dm-0',
            },
          }
        : device,
    );
    const { description } = await describeMachine(createMachine({ ...spec, files, devices }).host(), noNames);
    assert.deepEqual(description.devices.find(({ address }) => address === '0000:03:00.0')?.disk, {
      name: 'nvme2n1',
      partitions: { nvme2n1p1: { lvm: 'volume0', holds: { lvm: 'volume1', holds: '/home' } } },
    });
  });

  it('the node of an NVIDIA card, as its driver says it', async () => {
    const spec = machineSpec('nvidia-desktop');
    const path = '/proc/driver/nvidia/gpus/0000:01:00.0/information';
    const files = {
      ...spec.files,
      [path]: 'Model: \t\t NVIDIA\nGPU UUID: \t GPU-6f1c2a4e\nDevice Minor: \t 0\n',
    };
    const { description } = await describeMachine(createMachine({ ...spec, files }).host(), noNames);
    assert.deepEqual(description.devices.find(({ address }) => address === '0000:01:00.0')?.nodes, [
      '/dev/nvidia0',
    ]);
  });

  it('this very machine: well-formed', async () => {
    const { description } = await describeMachine(linuxHost, noNames);
    const spec = parseDescription(JSON.stringify(description), 'host.json');
    assert.equal(spec.name, description.name);
    assert.doesNotMatch(JSON.stringify(description), SECRET);
  });
});

describe('nearestKernel', () => {
  const rows: readonly (readonly [release: string, kernel: string])[] = [
    ['4.19.0', '5.15'],
    ['5.15.0-125-generic', '5.15'],
    ['6.0.1', '5.15'],
    ['6.1.0-38-amd64', '6.1'],
    ['6.8.0-45-generic', '6.1'],
    ['6.12.117+deb13-amd64', '6.12'],
    ['7.0.0', '6.12'],
    ['7.2.13', '7.2'],
    ['7.10.0', '7.2'],
    ['8.0.0', '7.2'],
    ['', '5.15'],
  ];
  for (const [release, kernel] of rows) {
    it(`${release === '' ? 'nothing' : release}: ${kernel}`, () => {
      assert.equal(nearestKernel(release), kernel);
    });
  }
});

/** MAC addresses and UUIDs; a PCI address has a dot. */
const SECRET = /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![.:])|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}/i;

describe('what a description says of people', () => {
  /** What nobody may find in it. */
  const planted = {
    serial: 'S4EWNX0R123456',
    mac: '3c:7c:3f:aa:bb:cc',
    macName: '3c7c3faabbcc',
    user: 'hans.mueller',
    host: 'mueller-pc',
    uuid: '6f1c2a4e-9d5b-4c1e-8d47-1a2b3c4d5e6f',
    label: 'Steuererklaerung',
    bridge: 'brmueller',
    keyboard: 'MuellersTastatur',
  };

  function plant(spec: MachineSpec): MachineSpec {
    const { serial, mac, macName, user, uuid, label, bridge, keyboard } = planted;
    const files = spec.files;
    return {
      ...spec,
      keyboards: spec.keyboards.map((each) => ({ ...each, name: keyboard })),
      commandLine: `BOOT_IMAGE=/${user}/vmlinuz root=UUID=${uuid} ip=::::${planted.host}:eth0 ifname=lan:${mac} intel_iommu=on vfio-pci.ids=1002:744c vfio-pci.${user}=/home/${user} pci=${uuid} systemd.hostname=${planted.host} quiet`,
      files: {
        ...files,
        '/proc/sys/kernel/hostname': `${planted.host}\n`,
        '/sys/class/dmi/id/product_serial': `${serial}\n`,
        '/sys/class/dmi/id/product_uuid': `${uuid}\n`,
        '/proc/self/mountinfo':
          (files['/proc/self/mountinfo'] ?? '').replaceAll(' / / ', ` / /media/${user}/${label} `) +
          `91 1 0:55 / /home/${user} rw - nfs ${planted.host}:/home rw\n`,
      },
      devices: spec.devices.map((device) => ({
        ...device,
        ...(device.keyboards && { keyboards: device.keyboards.map((each) => ({ ...each, name: keyboard })) }),
        ...(device.driverOverride === undefined && { driverOverride: `${user} ${label}` }),
        entries: Object.fromEntries(
          [
            ...Object.entries(device.entries),
            ['serial_number', `${serial}\n`],
            ['net/enx', ''],
            ['nvme/nvme0/serial', `${serial}\n`],
            ['usb1/1-9/serial', `${serial}\n`],
            ['usb1/1-9/1-9:1.0/bInterfaceClass', '03\n'],
            ['usb1/1-9/1-9:1.0/bInterfaceProtocol', '01\n'],
            ['usb1/1-9/product', `${keyboard}\n`],
          ].map(([path = '', text = '']) => [
            path.replace(/^net\/[^/]+/, `net/enx${macName}`),
            text.replace(/br0/g, bridge),
          ]),
        ),
      })),
    };
  }

  for (const title of ['nvidia-desktop', 'nvme-host', 'amd-rdna3-desktop', 'laptop-hybrid']) {
    it(`${title} with the names of a person everywhere: none of them is written down`, async () => {
      const host = createMachine(plant(machineSpec(title))).host();
      // The seeds are there to be found.
      assert.match(host.read('/proc/cmdline') ?? '', /mueller/);
      assert.ok(host.list('/sys/class/net')?.includes(`enx${planted.macName}`));
      const { description } = await describeMachine(host, noNames);
      const text = JSON.stringify(description, null, 2);
      for (const [what, secret] of Object.entries(planted)) {
        for (const part of secret.split(/[ .]/))
          assert.ok(!text.toLowerCase().includes(part.toLowerCase()), `${what}: ${part}`);
      }
      assert.doesNotMatch(text, /mueller|hans|\/media|\/home\/|UUID/i);
      assert.doesNotMatch(text, SECRET);
      assert.equal(description.commandLine, 'intel_iommu=on vfio-pci.ids=1002:744c quiet');
      parseDescription(text, 'host.json');
    });
  }
});
