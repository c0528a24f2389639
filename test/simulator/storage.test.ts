import assert from 'node:assert/strict';
import { diskUses } from '../../src/observe/uses/disks.ts';
import { keyboardUses } from '../../src/observe/uses/keyboards.ts';
import type { PciAddress } from '../../src/pci/address.ts';
import { example } from './machines.ts';
import { exclusively } from '../observe/exclusively.ts';

describe('the storage of a simulated machine', () => {
  it('has mappings, arrays and caches where Linux has them', () => {
    const host = example('storage-server').host();
    assert.deepEqual(host.list('/sys/class/block'), [
      ...['bcache0', 'dm-0', 'dm-1', 'dm-2', 'dm-3', 'md0'],
      ...['nvme0n1', 'nvme0n1p1', 'nvme0n1p2', 'nvme0n1p3', 'nvme0n1p4'],
      ...['nvme1n1', 'nvme1n1p1', 'nvme1n1p2', 'nvme2n1', 'nvme2n1p1', 'nvme2n1p2'],
      ...['nvme3c3n1', 'nvme3c4n1', 'nvme3n1', 'nvme5n1', 'nvme5n1p1'],
      ...['sda', 'sda1', 'sdb', 'sdb1', 'sdc', 'sdc1'],
    ]);
    assert.equal(host.readLink('/sys/class/block/dm-1'), '../../devices/virtual/block/dm-1');
    assert.equal(host.read('/sys/class/block/dm-1/dm/name'), 'cryptroot\n');
    assert.equal(host.read('/sys/class/block/dm-1/dm/uuid'), 'CRYPT-LUKS2-dm-1\n');
    assert.deepEqual(host.list('/sys/class/block/dm-1/holders'), ['dm-2', 'dm-3']);
    assert.deepEqual(host.list('/sys/class/block/sdb1/holders'), ['md0']);
    assert.equal(host.read('/sys/class/block/md0/md/level'), 'raid1\n');
    assert.equal(host.readLink('/dev/mapper/cryptroot'), '../dm-1');
    assert.equal(
      host.readLink('/sys/class/block/sdc1'),
      '../../devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0/host2/target2:0:0/2:0:0:0/block/sdc/sdc1',
    );
  });

  it('gives each block device a number of its own', () => {
    const host = example('storage-server').host();
    const names = host.list('/sys/class/block') ?? [];
    const numbers = names.flatMap((name) => host.read(`/sys/class/block/${name}/dev`) ?? []);
    assert.equal(new Set(numbers).size, numbers.length);
    assert.equal(numbers.length, names.length - 2, 'all but the hidden paths');
  });

  it('opens exclusively what nobody has claimed', async () => {
    const host = example('storage-server').host();
    const free = ['nvme5n1', 'nvme5n1p1', 'dm-0'];
    const busy = ['nvme0n1', 'nvme0n1p3', 'dm-1', 'dm-2', 'nvme1n1p1', 'nvme3n1', 'md0', 'bcache0', 'sdc1'];
    for (const name of free) assert.equal(await exclusively(host, `/dev/${name}`), 'free', name);
    for (const name of busy) assert.equal(await exclusively(host, `/dev/${name}`), 'busy', name);
    assert.equal(await exclusively(host, '/dev/mapper/cryptroot'), 'busy');
    assert.equal(await exclusively(host, '/dev/nvme3c3n1'), 'absent');
  });

  it('keeps a namespace until the last controller that reaches it is gone', async () => {
    const host = example('storage-server').host();
    const unbind = (address: string): Promise<unknown> =>
      host.write('/sys/bus/pci/drivers/nvme/unbind', address, 100);
    assert.deepEqual(host.list('/sys/class/nvme-subsystem/nvme-subsys3'), ['nvme3', 'nvme3n1', 'nvme4']);
    await unbind('0000:04:00.0');
    assert.deepEqual(host.list('/sys/class/nvme-subsystem/nvme-subsys3'), ['nvme3n1', 'nvme4']);
    assert.equal(await exclusively(host, '/dev/nvme3n1'), 'busy');
    await unbind('0000:05:00.0');
    assert.deepEqual(host.list('/sys/class/nvme-subsystem'), []);
    assert.equal(host.readLink('/sys/class/block/nvme3n1'), undefined);
    assert.equal(await exclusively(host, '/dev/nvme3n1'), 'absent');
  });

  it('is in use, each part of it, but for one free disk', async () => {
    const host = example('storage-server').host();
    const devices = (host.list('/sys/bus/pci/devices') ?? []).filter(
      (each) => !each.startsWith('0000:00:1'),
    ) as PciAddress[];
    const all = [...devices, '0000:00:14.0', '0000:00:17.0'] as PciAddress[];
    const used = [...(await diskUses(host, all, 1000)), ...keyboardUses(host, all)].map(
      ({ device, reason, detail }) => `${device} ${reason}: ${detail}`,
    );
    assert.deepEqual(used, [
      '0000:01:00.0 mounted: nvme0n1p1 is mounted at /boot/efi',
      '0000:01:00.0 mounted: nvme0n1p2 is mounted at /boot',
      '0000:01:00.0 root-disk: the host runs from it: / is on nvme0n1p3 through dm-1 (LUKS cryptroot) and dm-2 (LVM vg0-root)',
      '0000:01:00.0 mounted: nvme0n1p4 is mounted at /srv through bcache0 (bcache)',
      '0000:01:00.0 swap: nvme0n1p3 is swap space of the host through dm-1 (LUKS cryptroot) and dm-3 (LVM vg0-swap)',
      '0000:02:00.0 mounted: nvme1n1p1 is mounted at /tank through the ZFS pool tank',
      '0000:02:00.0 mounted: nvme1n1p2 is mounted at /data, as part of a btrfs file system on 2 devices',
      '0000:03:00.0 mounted: nvme2n1p1 is mounted at /tank through the ZFS pool tank',
      '0000:03:00.0 mounted: nvme2n1p2 is mounted at /data, as part of a btrfs file system on 2 devices',
      '0000:04:00.0 mounted: nvme3n1 is mounted at /images',
      '0000:05:00.0 mounted: nvme3n1 is mounted at /images',
      '0000:00:14.0 disk-in-use: sdc1 carries dm-0 (LUKS backup), which is active, with nothing mounted from it',
      '0000:00:17.0 mounted: sda1 and sdb1 are mounted at /srv through md0 (md raid1) and bcache0 (bcache)',
      '0000:00:14.0 last-keyboard: every keyboard of the host is behind it: "Dell Dell USB Keyboard"',
    ]);
  });
});
