import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';

import type { CaseContext, LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import type { Assignment } from '../guest/domain-xml.ts';
import { must } from '../guest/execute.ts';
import { expectDriver } from '../guest/expect.ts';
import { Golden } from '../guest/golden.ts';
import { configure } from '../guest/product.ts';
import { differences, takeSnapshot } from '../guest/snapshot.ts';
import { attribute, read } from '../guest/sysfs.ts';
import { devices } from '../guest/topology.ts';
import { waitFor } from '../guest/wait.ts';
import type { Order } from '../protocol.ts';
import { card } from './life-cycle.ts';

/** The network interface of a device. */
function interfaceOf(device: string): string {
  return readdirSync(attribute(device, 'net'))[0] ?? '';
}

/** A device that the host needs must be refused before it is touched, also when it is not the assigned one. */
const needed: readonly Refusal[] = [
  {
    guest: 'root-disk',
    why: 'the device is the disk that the host runs from',
    assignments: [{ address: devices.rootDisk }],
  },
  {
    guest: 'mounted',
    why: 'a file system of the NVMe disk is mounted',
    assignments: [{ address: devices.nvme }],
    async prepare(context) {
      await must('mkfs.ext4', ['-q', '-F', '/dev/nvme0n1']);
      await must('mount', ['/dev/nvme0n1', '/mnt']);
      context.afterwards(async () => {
        await must('umount', ['/mnt']);
      });
    },
  },
  {
    guest: 'swap',
    why: 'the host swaps to the NVMe disk',
    assignments: [{ address: devices.nvme }],
    async prepare(context) {
      await must('mkswap', ['--force', '--quiet', '/dev/nvme0n1']);
      await must('swapon', ['/dev/nvme0n1']);
      context.afterwards(async () => {
        await must('swapoff', ['/dev/nvme0n1']);
      });
    },
  },
  {
    guest: 'default-route',
    why: 'the default route leads through the network card',
    assignments: [{ address: devices.nic }],
    async prepare(context) {
      const name = interfaceOf(devices.nic);
      await must('ip', ['addr', 'add', '192.0.2.2/24', 'dev', name]);
      await must('ip', ['link', 'set', name, 'up']);
      await must('ip', ['route', 'add', 'default', 'via', '192.0.2.1']);
      context.afterwards(async () => {
        await must('ip', ['addr', 'flush', 'dev', name]);
        await must('ip', ['link', 'set', name, 'down']);
      });
    },
  },
  {
    guest: 'bridge-port',
    why: 'a companion, which the XML does not name, is the port of a bridge',
    assignments: [{ address: devices.bridgeSound }],
    async prepare(context) {
      const name = interfaceOf(devices.bridgeNic);
      await must('ip', ['link', 'add', 'br0', 'type', 'bridge']);
      context.afterwards(async () => {
        await must('ip', ['link', 'del', 'br0']);
        await must('ip', ['link', 'set', name, 'down']);
      });
      await must('ip', ['link', 'set', name, 'master', 'br0']);
      await must('ip', ['link', 'set', name, 'up']);
      await waitFor('a carrier', 20, () => read(`/sys/class/net/${name}/carrier`) === '1' || undefined);
    },
  },
  {
    guest: 'held-sound',
    why: 'a program has the sound device of a companion open',
    assignments: [{ address: devices.gpu }],
    prepare(context) {
      const [card = ''] = readdirSync(attribute(devices.gpuAudio, 'sound'));
      const fd = openSync(`/dev/snd/controlC${card.replace('card', '')}`, 'r');
      context.afterwards(() => {
        closeSync(fd);
      });
    },
  },
  {
    guest: 'console',
    why: 'the boot console is on the graphics card',
    assignments: [{ address: devices.consoleGpu }],
  },
];

/** A start that the hook must refuse, having changed nothing. */
interface Refusal {
  /** Also the name of the golden text of what virsh shows. */
  readonly guest: string;
  readonly why: string;
  readonly assignments: readonly Assignment[];
  readonly prepare?: (context: CaseContext) => Promise<void> | void;
}

const refusals: readonly Refusal[] = [
  {
    guest: 'no-module',
    why: 'vfio-pci cannot be loaded',
    assignments: card,
    async prepare(context) {
      await must('modprobe', ['--remove', 'vfio-pci']);
      writeFileSync('/etc/modprobe.d/lab.conf', 'install vfio-pci /bin/false\n');
      context.afterwards(() => {
        rmSync('/etc/modprobe.d/lab.conf');
      });
    },
  },
  {
    guest: 'absent',
    why: 'the host has no such device',
    assignments: [{ address: '0000:1f:00.0' }],
  },
  {
    guest: 'bridge',
    why: 'the device is a bridge',
    assignments: [{ address: devices.bridge }],
  },
  {
    guest: 'unknown-key',
    why: 'its configuration has a key that does not exist',
    assignments: card,
    prepare(context) {
      configure(context, 'unknown-key', `device:\n  - match: "${devices.gpu}"\n`);
    },
  },
  {
    guest: 'open-to-others',
    why: 'its configuration can be written by others',
    assignments: card,
    async prepare(context) {
      configure(context, 'open-to-others', 'devices: []\n');
      await must('chmod', ['0666', '/etc/vfio-hook/domains/open-to-others.yaml']);
    },
  },
  {
    guest: 'size',
    why: 'the BAR has no such size',
    assignments: card,
    prepare(context) {
      configure(context, 'size', `devices:\n  - match: "${devices.gpu}"\n    bars: { 2: 32GiB }\n`);
    },
  },
];

export function refusalCases(order: Order): readonly LabCase[] {
  const golden = new Golden(order);
  return [
    ...[...refusals, ...needed].map(({ guest, why, assignments, prepare }): LabCase => ({
      name: `the start is refused: ${why}`,
      async run(context) {
        const before = takeSnapshot();
        const domain = await Domain.define(context, guest, assignments);
        await prepare?.(context);
        const { status, stderr } = await domain.tryStart();
        assert.notEqual(status, 0, 'the start must be refused');
        assert.deepEqual(differences(before, takeSnapshot()), []);
        assert.equal(await domain.state(), 'shut off');
        golden.check(guest, stderr);
      },
    })),
    {
      name: 'the start is refused: another guest has the group, and that one goes on running',
      limit: 240,
      async run(context) {
        const first = await Domain.define(context, 'first', card);
        const second = await Domain.define(context, 'second', [{ address: devices.gpuAudio }]);
        await first.start();
        const { status, stderr } = await second.tryStart();
        assert.notEqual(status, 0, 'the second start must be refused');
        assert.equal(await first.state(), 'running');
        expectDriver('vfio-pci', devices.gpu, devices.gpuAudio);
        golden.check('second', stderr);
        await first.shutdown();
        await second.start();
        await second.shutdown();
      },
    },
    {
      name: 'two guests start in the same moment: exactly one wins, and the other is told who',
      limit: 300,
      async run(context) {
        const guests = [
          await Domain.define(context, 'left', card),
          await Domain.define(context, 'right', card),
        ] as const;
        for (let round = 0; round < 3; round += 1) {
          const starts = await Promise.all(guests.map(async (guest) => guest.tryStart()));
          const winners = guests.filter((_, index) => starts[index]?.status === 0);
          assert.equal(winners.length, 1, starts.map(({ stderr }) => stderr).join('\n'));
          const winner = winners[0]!;
          assert.match(starts.map(({ stderr }) => stderr).join('\n'), new RegExp(`"${winner.name}"`));
          await winner.runs();
          assert.equal(await winner.state(), 'running');
          await winner.destroy();
        }
      },
    },
    {
      name: 'a broken configuration of one guest is no concern of another',
      async run(context) {
        configure(context, 'broken', 'devices: [[[\n');
        const broken = await Domain.define(context, 'broken', card);
        const { status, stderr } = await broken.tryStart();
        assert.notEqual(status, 0);
        golden.check('broken', stderr);
        const other = await Domain.define(context, 'other', card);
        await other.start();
        await other.destroy();
      },
    },
  ];
}
