import assert from 'node:assert/strict';
import { hintText } from '../../../src/hint.ts';
import { linuxHost } from '../../../src/host/linux/host.ts';
import { parseDescription } from '../../../simulator/description.ts';
import { createMachine, type Machine } from '../../../simulator/machine.ts';
import { diskUses } from '../../../src/observe/uses/disks.ts';
import { parsePciAddress, type PciAddress } from '../../../src/pci/address.ts';
import { sysfs } from '../../../src/pci/sysfs.ts';
import type { DeviceUse } from '../../../src/pci/use.ts';
import { pci } from '../../scenario.ts';
import { fakeHost, type Shown } from '../../host/fake-host.ts';
import { exclusively } from '../exclusively.ts';

const FIRST = pci('0000:01:00.0');
const SECOND = pci('0000:02:00.0');
const SATA = pci('0000:00:17.0');
const USB = pci('0000:00:14.0');
const BRIDGE = pci('0000:00:1b.0');

/** What the devices of the machine below have, as lines of a description. */
type Storage = Partial<Record<'first' | 'second' | 'sata' | 'usb', string>>;

/** A machine with two NVMe disks behind root ports, a SATA and a USB controller. */
function machine({ first, second, sata, usb }: Storage): Machine {
  const line = (text: string | undefined): string => (text === undefined ? '' : `, ${text}`);
  return createMachine(
    parseDescription(
      `name: storage
devices:
  - { address: '${USB}', id: '8086:a36d', class: '0c0330', group: 1, driver: xhci_hcd${line(usb)} }
  - { address: '${SATA}', id: '8086:a352', class: '010601', group: 2, driver: ahci${line(sata)} }
  - { address: '${BRIDGE}', id: '8086:a340', class: '060400', group: 3, driver: pcieport }
  - { address: '0000:00:1d.0', id: '8086:a330', class: '060400', group: 4, driver: pcieport }
  - { address: '${FIRST}', id: '144d:a80a', class: '010802', group: 5, driver: nvme, behind: '${BRIDGE}'${line(first)} }
  - { address: '${SECOND}', id: '144d:a80a', class: '010802', group: 6, driver: nvme, behind: '0000:00:1d.0'${line(second)} }
`,
      'storage.yaml',
    ),
  );
}

/** One line for each use. */
function lines(uses: readonly DeviceUse[]): string[] {
  return uses.map(({ device, reason, detail }) => `${device} ${reason}: ${detail}`);
}

interface Row {
  readonly name: string;
  readonly storage: Storage;
  readonly devices?: readonly PciAddress[];
  readonly uses: readonly string[];
  readonly hints?: readonly (readonly string[])[];
}

const rows: readonly Row[] = [
  {
    name: 'the root file system on a partition',
    storage: { first: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: /boot/efi, nvme0n1p2: / } }' },
    uses: [
      '0000:01:00.0 mounted: nvme0n1p1 is mounted at /boot/efi',
      '0000:01:00.0 root-disk: the host runs from it: / is on nvme0n1p2',
    ],
    hints: [['umount /boot/efi'], ['give the guest another disk']],
  },
  {
    name: 'the root file system in LUKS',
    storage: { first: 'disk: { name: nvme0n1, partitions: { nvme0n1p2: { luks: cryptroot, holds: / } } }' },
    uses: ['0000:01:00.0 root-disk: the host runs from it: / is on nvme0n1p2 through dm-0 (LUKS cryptroot)'],
  },
  {
    name: 'the root file system on LVM in LUKS: no command would help',
    storage: {
      first:
        'disk: { name: nvme0n1, partitions: { nvme0n1p3: { luks: cryptroot, holds: { lvm: vg0-root, holds: / } } } }',
    },
    uses: [
      '0000:01:00.0 root-disk: the host runs from it: / is on nvme0n1p3 through dm-0 (LUKS cryptroot) and dm-1 (LVM vg0-root)',
    ],
    hints: [['give the guest another disk']],
  },
  {
    name: 'the second disk of a RAID 1 with the root file system',
    storage: {
      first: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: { md: md0, holds: / } } }',
      second: 'disk: { name: nvme1n1, partitions: { nvme1n1p1: { md: md0 } } }',
    },
    devices: [SECOND],
    uses: ['0000:02:00.0 root-disk: the host runs from it: / is on nvme1n1p1 through md0 (md raid1)'],
  },
  {
    name: 'both members of the ZFS pool with the root file system',
    storage: {
      first: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: { zfs: rpool, mount: / } } }',
      second: 'disk: { name: nvme1n1, partitions: { nvme1n1p1: { zfs: rpool, mount: /home } } }',
    },
    devices: [FIRST, SECOND],
    uses: [
      '0000:01:00.0 root-disk: the host runs from it: / is on nvme0n1p1 through the ZFS pool rpool',
      '0000:02:00.0 root-disk: the host runs from it: / is on nvme1n1p1 through the ZFS pool rpool',
    ],
    hints: [['give the guest another disk'], ['give the guest another disk']],
  },
  {
    name: 'the second device of the btrfs file system with the root, which no mount table names',
    storage: {
      first:
        'disk: { name: nvme0n1, partitions: { nvme0n1p1: [{ btrfs: root, mount: / }, { btrfs: root, mount: /home }] } }',
      second: 'disk: { name: nvme1n1, partitions: { nvme1n1p1: { btrfs: root } } }',
    },
    devices: [SECOND],
    uses: [
      '0000:02:00.0 root-disk: the host runs from it: / is on nvme1n1p1, as part of a btrfs file system on 2 devices',
    ],
  },
  {
    name: 'file systems that the running system cannot go on without, beside one that it can',
    storage: {
      first:
        'disk: { name: nvme0n1, partitions: { nvme0n1p1: /usr, nvme0n1p2: /var, nvme0n1p3: /var/lib/libvirt/images, nvme0n1p4: /nix/store } }',
    },
    uses: [
      '0000:01:00.0 root-disk: the host runs from it: /usr is on nvme0n1p1',
      '0000:01:00.0 root-disk: the host runs from it: /var is on nvme0n1p2',
      '0000:01:00.0 mounted: nvme0n1p3 is mounted at /var/lib/libvirt/images',
      '0000:01:00.0 root-disk: the host runs from it: /nix/store is on nvme0n1p4',
    ],
  },
  {
    name: 'subvolumes of one file system of an image-based system, whose / is made of them',
    storage: {
      first:
        'disk: { name: nvme0n1, partitions: { nvme0n1p3: [{ btrfs: fedora, mount: /sysroot }, { btrfs: fedora, mount: /etc }, { btrfs: fedora, mount: /var/home }, { btrfs: fedora, mount: /var }] } }',
    },
    uses: ['0000:01:00.0 root-disk: the host runs from it: /sysroot, /etc and /var are on nvme0n1p3'],
  },
  {
    name: 'a file system on LVM in LUKS',
    storage: {
      first:
        'disk: { name: nvme0n1, partitions: { nvme0n1p3: { luks: cryptdata, holds: { lvm: vg0-home, holds: /home } } } }',
    },
    uses: [
      '0000:01:00.0 mounted: nvme0n1p3 is mounted at /home through dm-0 (LUKS cryptdata) and dm-1 (LVM vg0-home)',
    ],
    hints: [['umount /home', 'vgchange -an vg0', 'cryptsetup close cryptdata']],
  },
  {
    name: 'a volume group whose name has a dash',
    storage: {
      first: 'disk: { name: nvme0n1, partitions: { nvme0n1: { lvm: my--group-home, holds: /srv } } }',
    },
    uses: ['0000:01:00.0 mounted: nvme0n1 is mounted at /srv through dm-0 (LVM my--group-home)'],
    hints: [['umount /srv', 'vgchange -an my-group']],
  },
  {
    name: 'one of two disks of a RAID 1',
    storage: {
      first: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: { md: md0, holds: /data } } }',
      second: 'disk: { name: nvme1n1, partitions: { nvme1n1p1: { md: md0 } } }',
    },
    devices: [SECOND],
    uses: ['0000:02:00.0 mounted: nvme1n1p1 is mounted at /data through md0 (md raid1)'],
    hints: [['umount /data', 'mdadm --stop /dev/md0']],
  },
  {
    name: 'both disks of a RAID 5 on one controller: one use',
    storage: {
      sata: 'disks: [{ name: sda, partitions: { sda1: { md: md0, level: raid5, holds: /data } } }, { name: sdb, partitions: { sdb1: { md: md0 } } }]',
    },
    devices: [SATA],
    uses: ['0000:00:17.0 mounted: sda1 and sdb1 are mounted at /data through md0 (md raid5)'],
  },
  {
    name: 'a disk and its cache with bcache',
    storage: {
      first: 'disk: { name: nvme0n1, partitions: { nvme0n1p4: { bcache: bcache0 } } }',
      sata: 'disk: { name: sda, partitions: { sda: { bcache: bcache0, holds: /srv } } }',
    },
    devices: [SATA, FIRST],
    uses: [
      '0000:00:17.0 mounted: sda is mounted at /srv through bcache0 (bcache)',
      '0000:01:00.0 mounted: nvme0n1p4 is mounted at /srv through bcache0 (bcache)',
    ],
    hints: [
      ['umount /srv', 'echo 1 > /sys/class/block/bcache0/bcache/stop'],
      ['umount /srv', 'echo 1 > /sys/class/block/bcache0/bcache/stop'],
    ],
  },
  {
    name: 'a member of a ZFS pool that is mounted',
    storage: {
      first: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: { zfs: tank, mount: /tank } } }',
      second: 'disk: { name: nvme1n1, partitions: { nvme1n1p1: { zfs: tank, mount: /tank/vm } } }',
    },
    uses: ['0000:01:00.0 mounted: nvme0n1p1 is mounted at /tank and /tank/vm through the ZFS pool tank'],
    hints: [['zpool export tank']],
  },
  {
    name: 'a member of a ZFS pool that is mounted nowhere: only the kernel knows that it is in use',
    storage: { first: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: { zfs: tank }, nvme0n1p9: null } }' },
    uses: ['0000:01:00.0 disk-in-use: nvme0n1p1 is in use by the ZFS pool tank'],
    hints: [['zpool export tank']],
  },
  {
    name: 'ZFS in LUKS',
    storage: {
      first:
        'disk: { name: nvme0n1, partitions: { nvme0n1p1: { luks: secret, holds: { zfs: tank, mount: /tank } } } }',
    },
    uses: [
      '0000:01:00.0 mounted: nvme0n1p1 is mounted at /tank through dm-0 (LUKS secret) and the ZFS pool tank',
    ],
    hints: [['zpool export tank', 'cryptsetup close secret']],
  },
  {
    name: 'the second device of a btrfs file system, which no mount table names',
    storage: {
      first: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: { btrfs: data, mount: /data } } }',
      second: 'disk: { name: nvme1n1, partitions: { nvme1n1p1: { btrfs: data } } }',
    },
    devices: [SECOND],
    uses: [
      '0000:02:00.0 mounted: nvme1n1p1 is mounted at /data, as part of a btrfs file system on 2 devices',
    ],
    hints: [['umount /data']],
  },
  {
    name: 'subvolumes of btrfs in many places: one use',
    storage: {
      first:
        'disk: { name: nvme0n1, partitions: { nvme0n1p1: [{ btrfs: data, mount: /srv }, { btrfs: data, mount: /home }, { btrfs: data, mount: /var/a }, { btrfs: data, mount: /var/b }, { btrfs: data, mount: /var/c }] } }',
    },
    uses: ['0000:01:00.0 mounted: nvme0n1p1 is mounted at /srv, /home, /var/a and 2 more places'],
    hints: [['umount /srv /home /var/a /var/b /var/c']],
  },
  {
    name: 'the second namespace of an NVMe disk',
    storage: {
      first: 'disks: [{ name: nvme0n1 }, { name: nvme0n2, partitions: { nvme0n2: /scratch } }]',
    },
    uses: ['0000:01:00.0 mounted: nvme0n2 is mounted at /scratch'],
  },
  {
    name: 'a namespace that two controllers reach',
    storage: {
      first: 'disk: { name: nvme0n1, multipath: nvme0, partitions: { nvme0n1p1: /srv, nvme0n1p2: null } }',
      second: 'disk: { name: nvme0n1, multipath: nvme1 }',
    },
    devices: [FIRST, SECOND],
    uses: [
      '0000:01:00.0 mounted: nvme0n1p1 is mounted at /srv',
      '0000:02:00.0 mounted: nvme0n1p1 is mounted at /srv',
    ],
  },
  {
    name: 'a namespace with multipath that the other controller of the subsystem does not reach',
    storage: {
      first: 'disk: { name: nvme0n1, multipath: nvme0, partitions: { nvme0n1: /srv } }',
      second: 'disk: { name: nvme0n2, multipath: nvme1 }',
    },
    devices: [SECOND],
    uses: [],
  },
  {
    name: 'swap space on a partition',
    storage: { first: 'disk: { name: nvme0n1, partitions: { nvme0n1p3: swap } }' },
    uses: ['0000:01:00.0 swap: nvme0n1p3 is swap space of the host'],
    hints: [['swapoff /dev/nvme0n1p3']],
  },
  {
    name: 'swap space on a whole disk',
    storage: { first: 'disk: { name: nvme0n1, partitions: { nvme0n1: swap } }' },
    uses: ['0000:01:00.0 swap: nvme0n1 is swap space of the host'],
  },
  {
    name: 'swap space in LUKS, beside a file system',
    storage: {
      first:
        'disk: { name: nvme0n1, partitions: { nvme0n1p1: { luks: cryptswap, holds: swap }, nvme0n1p2: /srv } }',
    },
    uses: [
      '0000:01:00.0 mounted: nvme0n1p2 is mounted at /srv',
      '0000:01:00.0 swap: nvme0n1p1 is swap space of the host through dm-0 (LUKS cryptswap)',
    ],
    hints: [['umount /srv'], ['swapoff /dev/dm-0', 'cryptsetup close cryptswap']],
  },
  {
    name: 'logical volumes that are active with nothing mounted from them',
    storage: {
      first:
        'disk: { name: nvme0n1, partitions: { nvme0n1p1: [{ lvm: vg0-a, holds: null }, { lvm: vg0-b }] } }',
    },
    uses: [
      '0000:01:00.0 disk-in-use: nvme0n1p1 carries dm-0 (LVM vg0-a) and dm-1 (LVM vg0-b), which are active, with nothing mounted from them',
    ],
    hints: [['vgchange -an vg0']],
  },
  {
    name: 'a logical volume that is mounted, beside one that is not: the mount says it all',
    storage: {
      first:
        'disk: { name: nvme0n1, partitions: { nvme0n1p1: [{ lvm: vg0-a, holds: /srv }, { lvm: vg0-b }] } }',
    },
    uses: ['0000:01:00.0 mounted: nvme0n1p1 is mounted at /srv through dm-0 (LVM vg0-a)'],
  },
  {
    name: 'LUKS that is open with nothing mounted from it',
    storage: { first: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: { luks: backup } } }' },
    uses: [
      '0000:01:00.0 disk-in-use: nvme0n1p1 carries dm-0 (LUKS backup), which is active, with nothing mounted from it',
    ],
    hints: [['cryptsetup close backup']],
  },
  {
    name: 'two paths of multipath',
    storage: {
      sata: 'disks: [{ name: sda, partitions: { sda: { multipath: mpatha, holds: /san }, sda1: null } }, { name: sdb, partitions: { sdb: { multipath: mpatha } } }]',
    },
    devices: [SATA],
    uses: ['0000:00:17.0 mounted: sda and sdb are mounted at /san through dm-0 (multipath mpatha)'],
    hints: [['umount /san', 'multipath -f mpatha']],
  },
  {
    name: 'disks with nothing on them, or with nothing that is in use',
    storage: {
      first: 'disk: { name: nvme0n1 }',
      second: 'disk: { name: nvme1n1, partitions: { nvme1n1p1: null } }',
    },
    devices: [FIRST, SECOND],
    uses: [],
  },
  {
    name: 'the other disk is mounted',
    storage: {
      first: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: / } }',
      second: 'disk: { name: nvme1n1, partitions: { nvme1n1p1: null } }',
    },
    devices: [SECOND],
    uses: [],
  },
  {
    name: 'a disk in a USB port',
    storage: { usb: 'disk: { name: sdc, usb: 1-4, partitions: { sdc1: /media/backup } }' },
    devices: [USB],
    uses: ['0000:00:14.0 mounted: sdc1 is mounted at /media/backup'],
  },
  {
    name: 'a SATA disk',
    storage: { sata: 'disk: { name: sda, partitions: { sda1: /, sda2: swap } }' },
    devices: [SATA],
    uses: [
      '0000:00:17.0 root-disk: the host runs from it: / is on sda1',
      '0000:00:17.0 swap: sda2 is swap space of the host',
    ],
  },
  {
    name: 'a mount point that wants to be a sentence of its own',
    storage: {
      first:
        'disk: { name: nvme0n1, partitions: { nvme0n1p1: "/x\\e[2J\\nvfio-hook: nvme0n1 is free", nvme0n1p2: "/my disk" } }',
    },
    uses: [
      '0000:01:00.0 mounted: nvme0n1p1 is mounted at "/x\\u{1b}[2J\\u{a}vfio-hook: nvme0n1 is free"',
      '0000:01:00.0 mounted: nvme0n1p2 is mounted at "/my disk"',
    ],
    hints: [['umount --all-targets /dev/nvme0n1p1'], ['umount --all-targets /dev/nvme0n1p2']],
  },
  {
    name: 'a mapping whose name would be another command',
    storage: {
      first: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: { luks: "a; reboot", holds: /srv } } }',
    },
    uses: ['0000:01:00.0 mounted: nvme0n1p1 is mounted at /srv through dm-0 (LUKS "a; reboot")'],
    hints: [['umount /srv']],
  },
];

describe('diskUses', () => {
  for (const { name, storage, devices = [FIRST], uses, hints } of rows) {
    it(name, async () => {
      const found = await diskUses(machine(storage).host(), devices, 1000);
      assert.deepEqual(lines(found), uses);
      if (hints)
        assert.deepEqual(
          found.map((use) => use.hints.map(hintText)),
          hints,
        );
    });
  }

  it('sees nothing of a disk whose driver has let it go, though its file system is still mounted', async () => {
    const gone = machine({
      first:
        'disk: { name: nvme0n1, partitions: { nvme0n1p1: /srv, nvme0n1p2: swap, nvme0n1p3: { lvm: vg0-a } } }',
    });
    const host = gone.host();
    assert.equal((await diskUses(host, [FIRST], 1000)).length, 3);
    assert.deepEqual(await host.write('/sys/bus/pci/drivers/nvme/unbind', FIRST, 100), { kind: 'written' });
    assert.deepEqual(await diskUses(host, [FIRST], 1000), []);
    assert.equal(await exclusively(host, '/dev/nvme0n1'), 'absent');
    assert.match(host.read('/proc/self/mountinfo') ?? '', / \/srv /);
    assert.match(host.read('/proc/swaps') ?? '', /^\/dev\/nvme0n1p2\\040\(deleted\)\t/m);
    assert.equal(host.read('/sys/class/block/dm-0/dm/name'), 'vg0-a\n');
  });

  it('sees nothing of a disk that was removed, and of devices that are not there', async () => {
    const host = machine({ first: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: /srv } }' }).host();
    await host.write(`/sys/bus/pci/devices/${FIRST}/remove`, '1', 100);
    assert.deepEqual(await diskUses(host, [FIRST, pci('0000:7f:00.0')], 1000), []);
  });

  it('goes by the whole address: another domain is another device', async () => {
    const host = machine({ first: 'disk: { name: nvme0n1, partitions: { nvme0n1p1: /srv } }' }).host();
    assert.deepEqual(await diskUses(host, [pci('0001:01:00.0'), pci('10000:01:00.0')], 1000), []);
  });
});

/** Block devices for a host by hand: path in /sys/devices, device number, and what else is below it. */
function blocks(
  shown: Readonly<
    Record<string, readonly [path: string, number: string, more?: Readonly<Record<string, string>>]>
  >,
  rest: Shown = {},
): Shown {
  const files: Record<string, string> = {};
  const links: Record<string, string> = {};
  for (const [name, [path, number, more = {}]] of Object.entries(shown)) {
    links[`/sys/class/block/${name}`] = `../../devices/${path}/${name}`;
    if (number !== '') files[`/sys/class/block/${name}/dev`] = `${number}\n`;
    for (const [key, text] of Object.entries(more)) files[`/sys/class/block/${name}/${key}`] = text;
  }
  return { ...rest, files: { ...files, ...rest.files }, links: { ...links, ...rest.links } };
}

const NVME = 'pci0000:00/0000:00:1b.0/0000:01:00.0/nvme/nvme0';
const mount = (line: string): Shown => ({ files: { '/proc/self/mountinfo': `${line}\n` } });

/** A live system whose `/` is an overlay, with a file system on a USB stick, and an image in it. */
function live(facts: {
  readonly sda1: string;
  readonly lower: string;
  readonly upper?: string;
  readonly mapped?: boolean;
}): Shown {
  const { sda1, lower, upper = '/run/live/overlay/rw', mapped = false } = facts;
  return blocks(
    {
      sda1: ['pci0000:00/0000:01:00.0/usb1/1-2/block', '8:1'],
      loop0: ['virtual/block', '7:0', { 'loop/backing_file': `${sda1}/live/filesystem.squashfs\n` }],
      ...(mapped && { 'dm-0': ['virtual/block', '253:0', { 'dm/name': 'live\n', 'slaves/loop0': '' }] }),
    },
    {
      files: {
        '/proc/self/mountinfo': [
          `25 1 0:30 / / rw - overlay overlay rw,lowerdir=${lower},upperdir=${upper},workdir=${upper}/../work`,
          '26 25 0:31 / /run rw - tmpfs tmpfs rw,size=10%',
          `27 25 ${mapped ? '253:0' : '7:0'} / /run/live/rootfs/filesystem.squashfs ro - squashfs /dev/x ro`,
          `28 25 8:1 / ${sda1} ro - vfat /dev/sda1 ro`,
          '',
        ].join('\n'),
      },
    },
  );
}

const trees: readonly { readonly name: string; readonly host: Shown; readonly uses: readonly string[] }[] = [
  {
    name: 'a disk that another mount namespace has mounted',
    host: blocks(
      { nvme0n1: [NVME, '259:0'], nvme0n1p1: [`${NVME}/nvme0n1`, '259:1'] },
      { exclusive: { '/dev/nvme0n1': 'busy', '/dev/nvme0n1p1': 'busy' } },
    ),
    uses: ['disk-in-use: nvme0n1p1 is in use by something that has opened it for itself alone'],
  },
  {
    name: 'a disk that only the first process of the host has mounted',
    host: blocks(
      { nvme0n1: [NVME, '259:0'] },
      { files: { '/proc/1/mountinfo': '40 1 259:0 / /srv rw - xfs /dev/nvme0n1 rw\n' } },
    ),
    uses: ['mounted: nvme0n1 is mounted at /srv'],
  },
  {
    name: 'a root file system whose source is no node, as without an initramfs',
    host: blocks({ nvme0n1: [NVME, '259:0'] }, mount('1 0 259:0 / / rw - ext4 /dev/root rw')),
    uses: ['root-disk: the host runs from it: / is on nvme0n1'],
  },
  {
    name: 'a disk that cannot be looked at',
    host: blocks({ nvme0n1: [NVME, '259:0'] }, { exclusive: { '/dev/nvme0n1': 'denied' } }),
    uses: ['disk-in-use: nvme0n1 cannot be opened, so it may be in use'],
  },
  {
    name: 'a disk without a node',
    host: blocks({ nvme0n1: [NVME, '259:0'] }),
    uses: [],
  },
  {
    name: 'a partition of a RAID array of whole disks',
    host: blocks(
      {
        sda: ['pci0000:00/0000:01:00.0/ata1/host0/target0:0:0/0:0:0:0/block', '8:0', { 'holders/md127': '' }],
        md127: ['virtual/block', '9:127', { 'md/level': 'raid10\n' }],
        md127p1: ['virtual/block/md127', '259:4'],
      },
      mount('36 1 259:4 / /data rw - xfs /dev/md127p1 rw'),
    ),
    uses: ['mounted: sda is mounted at /data through md127 (md raid10) and md127p1'],
  },
  {
    name: 'a thin volume, to which two ways lead: the shorter one',
    host: blocks(
      {
        nvme0n1: [NVME, '259:0', { 'holders/dm-0': '', 'holders/dm-1': '' }],
        'dm-0': [
          'virtual/block',
          '253:0',
          { 'dm/name': 'vg-pool_tmeta\n', 'dm/uuid': 'LVM-a-tmeta\n', 'holders/dm-2': '' },
        ],
        'dm-1': [
          'virtual/block',
          '253:1',
          { 'dm/name': 'vg-pool_tdata\n', 'dm/uuid': 'LVM-a-tdata\n', 'holders/dm-2': '' },
        ],
        'dm-2': [
          'virtual/block',
          '253:2',
          { 'dm/name': 'vg-pool-tpool\n', 'dm/uuid': 'LVM-a-tpool\n', 'holders/dm-3': '' },
        ],
        'dm-3': ['virtual/block', '253:3', { 'dm/name': 'vg-vm\n', 'dm/uuid': 'LVM-b\n' }],
      },
      mount('36 1 253:3 / /srv rw - ext4 /dev/mapper/vg-vm rw'),
    ),
    uses: [
      'mounted: nvme0n1 is mounted at /srv through dm-0 (LVM vg-pool_tmeta), dm-2 (LVM vg-pool-tpool) and dm-3 (LVM vg-vm)',
    ],
  },
  {
    name: 'a loop device on a partition, which the loop driver does not claim',
    host: blocks(
      {
        nvme0n1: [NVME, '259:0'],
        nvme0n1p1: [`${NVME}/nvme0n1`, '259:1'],
        loop3: ['virtual/block', '7:3', { 'loop/backing_file': '/dev/nvme0n1p1\n' }],
      },
      { ...mount('36 1 7:3 / /srv rw - ext4 /dev/loop3 rw'), exclusive: { '/dev/nvme0n1': 'free' } },
    ),
    uses: ['mounted: nvme0n1p1 is mounted at /srv through loop3 (loop)'],
  },
  {
    name: 'btrfs on a mapping that mountinfo names by a link',
    host: blocks(
      {
        nvme0n1: [NVME, '259:0', { 'holders/dm-0': '' }],
        'dm-0': ['virtual/block', '253:0', { 'dm/name': 'crypt\n', 'dm/uuid': 'CRYPT-PLAIN-crypt\n' }],
      },
      {
        files: { '/proc/self/mountinfo': '36 1 0:44 /sub /srv rw - btrfs /dev/disk/by-label/srv rw\n' },
        links: { '/dev/disk/by-label/srv': '../../dm-0' },
      },
    ),
    uses: ['mounted: nvme0n1 is mounted at /srv through dm-0 (dm-crypt crypt)'],
  },
  {
    name: 'a mapping whose name udev writes with an escape',
    host: blocks(
      {
        nvme0n1: [NVME, '259:0', { 'holders/dm-0': '' }],
        'dm-0': ['virtual/block', '253:0', { 'dm/name': 'my disk\n', 'dm/uuid': '\n' }],
      },
      mount('36 1 0:44 / /srv rw - btrfs /dev/mapper/my\\134x20disk rw'),
    ),
    uses: ['mounted: nvme0n1 is mounted at /srv through dm-0 (device mapper "my disk")'],
  },
  {
    name: 'bcachefs, whose source is all of its devices',
    host: blocks(
      { nvme0n1: [NVME, '259:0'], sdb: ['pci0000:00/0000:00:17.0/block', '8:16'] },
      mount('36 1 0:44 / /srv rw - bcachefs /dev/sdb:/dev/nvme0n1 rw'),
    ),
    uses: ['mounted: nvme0n1 is mounted at /srv, as part of a bcachefs file system on 2 devices'],
  },
  {
    name: 'a disk behind an Intel VMD, which is a PCI domain of its own',
    host: blocks(
      { nvme0n1: ['pci0000:00/0000:01:00.0/pci10000:e0/10000:e0:06.0/10000:e1:00.0/nvme/nvme0', '259:0'] },
      mount('36 1 259:0 / / rw - ext4 /dev/nvme0n1 rw'),
    ),
    uses: ['root-disk: the host runs from it: / is on nvme0n1'],
  },
  {
    name: 'a namespace of a subsystem whose paths are not shown: counted to each controller',
    host: blocks(
      { nvme0n1: ['virtual/nvme-subsystem/nvme-subsys0', '259:0'] },
      {
        ...mount('36 1 259:0 / /srv rw - ext4 /dev/nvme0n1 rw'),
        links: { '/sys/class/nvme-subsystem/nvme-subsys0/nvme0': `../../../${NVME}` },
      },
    ),
    uses: ['mounted: nvme0n1 is mounted at /srv'],
  },
  {
    name: 'a RAID controller whose disks have a slash in their names',
    host: blocks(
      { 'cciss!c0d0': ['pci0000:00/0000:01:00.0/cciss0/c0d0/block', '104:0'] },
      { exclusive: { '/dev/cciss/c0d0': 'busy' } },
    ),
    uses: ['disk-in-use: cciss!c0d0 is in use by something that has opened it for itself alone'],
  },
  {
    name: 'a swap space on a node of /dev/mapper that is no link',
    host: blocks(
      {
        nvme0n1: [NVME, '259:0', { 'holders/dm-0': '' }],
        'dm-0': ['virtual/block', '253:0', { 'dm/name': 'swap\n', 'dm/uuid': 'CRYPT-LUKS2-x\n' }],
      },
      {
        files: {
          '/proc/swaps': 'Filename\tType\n/dev/mapper/swap  partition 1 0 -2\n/swapfile file 1 0 -3\n',
        },
      },
    ),
    uses: ['swap: nvme0n1 is swap space of the host through dm-0 (LUKS swap)'],
  },
  {
    name: 'a mapping that somebody has opened for himself',
    host: blocks(
      {
        nvme0n1: [NVME, '259:0', { 'holders/dm-0': '' }],
        'dm-0': ['virtual/block', '253:0', { 'dm/name': 'crypt\n', 'dm/uuid': 'CRYPT-LUKS2-x\n' }],
      },
      { exclusive: { '/dev/dm-0': 'busy' } },
    ),
    uses: [
      'disk-in-use: nvme0n1 carries dm-0 (LUKS crypt), which is in use by something that has no mount here',
    ],
  },
  {
    name: 'volumes that hold each other in a circle',
    host: blocks({
      nvme0n1: [NVME, '259:0', { 'holders/dm-0': '' }],
      'dm-0': ['virtual/block', '253:0', { 'dm/name': 'a\n', 'holders/dm-1': '' }],
      'dm-1': ['virtual/block', '253:1', { 'dm/name': 'b\n', 'holders/dm-0': '' }],
    }),
    uses: [
      'disk-in-use: nvme0n1 carries dm-0 (device mapper a) and dm-1 (device mapper b), which are active, with nothing mounted from them',
    ],
  },
  {
    name: 'the medium of a live system: / is an overlay of an image in a file on it',
    host: live({ sda1: '/run/live/medium', lower: '/run/live/rootfs/filesystem.squashfs' }),
    uses: ['root-disk: the host runs from it: / is on sda1, mounted at /run/live/medium'],
  },
  {
    name: 'the medium of a live system whose layers have other names by now',
    host: live({ sda1: '/cdrom', lower: '/minimal.squashfs' }),
    uses: ['root-disk: the host runs from it: / is on sda1, mounted at /cdrom'],
  },
  {
    name: 'the image of a live system in LUKS',
    host: live({ sda1: '/run/live/medium', lower: '/run/live/rootfs/filesystem.squashfs', mapped: true }),
    uses: ['root-disk: the host runs from it: / is on sda1, mounted at /run/live/medium'],
  },
  {
    name: 'a directory of a disk that the writes of a live system go to',
    host: live({
      sda1: '/run/live/persistence/sda1',
      lower: '/nowhere',
      upper: '/run/live/persistence/sda1/rw',
    }),
    uses: ['root-disk: the host runs from it: / is on sda1, mounted at /run/live/persistence/sda1'],
  },
  {
    name: 'a directory whose name has what separates layers and options',
    host: live({ sda1: '/run/a:b,c', lower: String.raw`/x:/run/a\134:b\054c/lower` }),
    uses: ['root-disk: the host runs from it: / is on sda1, mounted at /run/a:b,c'],
  },
  {
    name: 'an overlay and an image of no concern to the running system',
    host: blocks(
      {
        sda1: ['pci0000:00/0000:01:00.0/block', '8:1'],
        loop0: ['virtual/block', '7:0', { 'loop/backing_file': '/srv/a.img\n' }],
      },
      {
        files: {
          '/proc/self/mountinfo': [
            '20 1 0:9 / / rw - tmpfs tmpfs rw',
            '21 20 8:1 / /srv rw - ext4 /dev/sda1 rw',
            '22 20 7:0 / /snap/a/1 ro - squashfs /dev/loop0 ro',
            '23 20 0:30 / /srv/merged rw - overlay overlay rw,lowerdir=/srv/lower,upperdir=/srv/upper',
            '',
          ].join('\n'),
        },
      },
    ),
    uses: ['mounted: sda1 is mounted at /srv'],
  },
  {
    name: 'a pool of ZFS with the root file system, on disks that udev has not looked at',
    host: blocks(
      { nvme0n1: [NVME, '259:0'] },
      { ...mount('1 0 0:25 / / rw - zfs rpool/ROOT/debian rw'), exclusive: { '/dev/nvme0n1': 'busy' } },
    ),
    uses: [
      'root-disk: the host may run from it: / is on a ZFS pool, and something has nvme0n1 for itself alone',
    ],
  },
  {
    name: 'the same for one who may not open disks',
    host: blocks(
      { nvme0n1: [NVME, '259:0'] },
      { ...mount('1 0 0:25 / / rw - zfs rpool/ROOT/debian rw'), exclusive: { '/dev/nvme0n1': 'denied' } },
    ),
    uses: ['root-disk: the host may run from it: / is on a ZFS pool, and nvme0n1 cannot be opened'],
  },
  {
    name: 'something unknown, beside a pool of ZFS with the root file system on another disk',
    host: blocks(
      { nvme0n1: [NVME, '259:0'], sda1: ['pci0000:00/0000:00:17.0/block', '8:1'] },
      {
        files: {
          '/proc/self/mountinfo': '1 0 0:25 / / rw - zfs rpool/ROOT/debian rw\n',
          '/run/udev/data/b8:1': 'E:ID_FS_TYPE=zfs_member\nE:ID_FS_LABEL=rpool\n',
        },
        exclusive: { '/dev/nvme0n1': 'busy' },
      },
    ),
    uses: ['disk-in-use: nvme0n1 is in use by something that has opened it for itself alone'],
  },
  {
    name: 'swap space by a link that was taken away and made again',
    host: blocks(
      { nvme0n1: [NVME, '259:0'] },
      {
        files: { '/proc/swaps': 'Filename\tType\n/dev/nvme0n1\\040(deleted) partition 1 0 -2\n' },
        exclusive: { '/dev/nvme0n1': 'free' },
      },
    ),
    uses: [],
  },
];

describe('diskUses of a host by hand', () => {
  for (const { name, host, uses } of trees) {
    it(name, async () => {
      const found = lines(await diskUses(fakeHost(host), [FIRST], 1000));
      assert.deepEqual(
        found,
        uses.map((use) => `${FIRST} ${use}`),
      );
    });
  }

  it('goes on when the mount table of the first process may not be read', async () => {
    const shown = fakeHost(
      blocks({ nvme0n1: [NVME, '259:0'] }, mount('36 1 259:0 / /srv rw - ext4 /dev/nvme0n1 rw')),
    );
    const host = {
      ...shown,
      read: (path: string) => {
        if (path.startsWith('/proc/1/')) throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
        return shown.read(path);
      },
    };
    assert.deepEqual(lines(await diskUses(host, [FIRST], 1000)), [
      `${FIRST} mounted: nvme0n1 is mounted at /srv`,
    ]);
  });

  it('reads no more than the names of block devices for a device without disks', async () => {
    const read: string[] = [];
    const shown = fakeHost(blocks({ nvme0n1: [NVME, '259:0'] }));
    const host = {
      ...shown,
      read: (path: string) => {
        read.push(path);
        return shown.read(path);
      },
    };
    assert.deepEqual(await diskUses(host, [SATA], 1000), []);
    assert.deepEqual(read, []);
  });
});

describe('diskUses of this machine', () => {
  it('says that its root file system is mounted', async function () {
    const functions = (linuxHost.list(sysfs.devices) ?? []).flatMap((name) => parsePciAddress(name) ?? []);
    const endpoints = functions.filter(
      (address) => !(linuxHost.read(sysfs.attribute(address, 'class')) ?? '').startsWith('0x06'),
    );
    const disk = (linuxHost.list(sysfs.blocks) ?? []).find((name) => {
      const target = linuxHost.readLink(sysfs.block(name)) ?? '';
      const number = linuxHost.read(sysfs.blockAttribute(name, 'dev'))?.trim() ?? '';
      const mounts = linuxHost.read('/proc/self/mountinfo') ?? '';
      return mounts.includes(` ${number} / / `) && endpoints.some((each) => target.includes(`/${each}/`));
    });
    if (disk === undefined) {
      console.warn('        skipped: the root file system of this machine is on no disk behind a PCI device');
      this.skip();
    }
    const root = (await diskUses(linuxHost, endpoints, 1000)).filter(({ detail }) =>
      new RegExp(`^the host runs from it: / .*is on .*\\b${disk}\\b`).test(detail),
    );
    assert.equal(root.length, 1);
    assert.equal(root[0]?.reason, 'root-disk');
    // A container's rules for devices come before the claim: then nobody knows, which counts as in use.
    assert.match(await exclusively(linuxHost, sysfs.node(disk)), /^(?:busy|denied)$/);
  });
});
