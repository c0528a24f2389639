import assert from 'node:assert/strict';
import { statSync } from 'node:fs';

import type { LabCase } from '../guest/case.ts';
import { must } from '../guest/execute.ts';
import { barSizes } from '../guest/snapshot.ts';
import {
  attribute,
  bindTo,
  driverOf,
  giveBack,
  groupOf,
  linkName,
  read,
  tryWrite,
  write,
} from '../guest/sysfs.ts';
import { devices, groups, hostDrivers } from '../guest/topology.ts';
import { waitFor } from '../guest/wait.ts';

const MiB = 2 ** 20;

/** Whether the lab itself is what the other cases take it for. */
export const smokeCases: readonly LabCase[] = [
  {
    name: 'every IOMMU group has the members that the topology promises',
    run() {
      for (const members of groups) assert.deepEqual(groupOf(members[0]!), [...members].sort());
    },
  },
  {
    name: 'every device is on its host driver',
    async run() {
      // snd_hda_intel probes its codecs in a work queue, and registers the card when it is done.
      for (const [device, driver] of hostDrivers) {
        await waitFor(
          `${device} on ${driver ?? 'no driver'}`,
          20,
          () => driverOf(device) === driver || undefined,
        );
      }
    },
  },
  {
    name: 'a device goes to vfio-pci and back, with its group file',
    async run() {
      await must('modprobe', ['vfio-pci']);
      bindTo(devices.nic, 'vfio-pci');
      assert.equal(driverOf(devices.nic), 'vfio-pci');
      const group = linkName(attribute(devices.nic, 'iommu_group')) ?? '';
      assert.ok(statSync(`/dev/vfio/${group}`).isCharacterDevice());
      giveBack(devices.nic);
      assert.equal(driverOf(devices.nic), 'e1000e');
    },
  },
  {
    name: 'the resizable BAR offers 64 MiB to 16 GiB, resizes without a driver and refuses with one',
    run() {
      const resize = attribute(devices.gpu, 'resource2_resize');
      assert.equal(read(resize), '0000000000007fc0');
      assert.equal(barSizes(devices.gpu)[2], 256 * MiB);
      for (const [bit, size] of [
        [14, 16384 * MiB],
        [6, 64 * MiB],
        [8, 256 * MiB],
      ] as const) {
        write(resize, String(bit));
        assert.equal(barSizes(devices.gpu)[2], size);
      }
      bindTo(devices.gpu, 'vfio-pci');
      assert.equal(tryWrite(resize, '9'), 'EBUSY');
      giveBack(devices.gpu);
    },
  },
  {
    name: 'virtual functions come and go, each in a group of its own',
    run() {
      const count = attribute(devices.igb, 'sriov_numvfs');
      write(count, '2');
      const functions = [0, 1].map((n) => linkName(attribute(devices.igb, `virtfn${n}`)) ?? '');
      for (const address of functions) assert.deepEqual(groupOf(address), [address]);
      write(count, '0');
    },
  },
  {
    name: 'the NVMe disk carries a file system',
    async run({ afterwards }) {
      await must('mkfs.ext4', ['-q', '-F', '/dev/nvme0n1']);
      await must('mount', ['/dev/nvme0n1', '/mnt']);
      afterwards(async () => {
        await must('umount', ['/mnt']);
      });
      assert.match(read('/proc/self/mountinfo') ?? '', /\/mnt .* ext4 \/dev\/nvme0n1/);
    },
  },
];
