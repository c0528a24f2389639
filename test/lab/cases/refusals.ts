import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';

import type { CaseContext, LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import type { Assignment } from '../guest/domain-xml.ts';
import { must } from '../guest/execute.ts';
import { expectDriver } from '../guest/expect.ts';
import { Golden } from '../guest/golden.ts';
import { configure } from '../guest/product.ts';
import { differences, takeSnapshot } from '../guest/snapshot.ts';
import { devices } from '../guest/topology.ts';
import type { Order } from '../protocol.ts';
import { card } from './life-cycle.ts';

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
    ...refusals.map(({ guest, why, assignments, prepare }): LabCase => ({
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
