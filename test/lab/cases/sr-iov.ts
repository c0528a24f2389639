import assert from 'node:assert/strict';

import { Domain } from '../guest/domain.ts';
import type { CaseContext, LabCase } from '../guest/case.ts';
import { must } from '../guest/execute.ts';
import { expectDriver } from '../guest/expect.ts';
import { Golden } from '../guest/golden.ts';
import { configureHost, vfioHook } from '../guest/product.ts';
import { differences, takeSnapshot } from '../guest/snapshot.ts';
import { attribute, driverOf, groupOf, linkName, read, write } from '../guest/sysfs.ts';
import { devices } from '../guest/topology.ts';
import { waitFor } from '../guest/wait.ts';
import type { Order } from '../protocol.ts';

/** Where the virtual functions of the card will be. */
const [first, second] = ['0000:02:10.0', '0000:02:10.2'] as const;

const count = attribute(devices.igb, 'sriov_numvfs');
const autoprobe = attribute(devices.igb, 'sriov_drivers_autoprobe');
const power = attribute(devices.igb, 'power/control');

/** The administrator's own virtual functions, for the time of a case. */
function makeByHand(context: CaseContext, functions: number): void {
  write(count, String(functions));
  context.afterwards(() => {
    write(count, '0');
  });
}

/** libvirt sets the MAC address of a function that is an `<interface>` through the card that it belongs to. */
async function cardUp(context: CaseContext): Promise<void> {
  const card = (await must('ls', [attribute(devices.igb, 'net')])).trim();
  await must('ip', ['link', 'set', card, 'up']);
  context.afterwards(async () => {
    await must('ip', ['link', 'set', card, 'down']);
  });
}

/** What the hook is to make for guests. */
function configureFunctions(context: CaseContext, functions: number, card: string = devices.igb): void {
  configureHost(context, `sriov:\n  - { pf: "${card}", vfs: ${functions} }\n`);
}

async function shown(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await vfioHook(...args);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** A virtual function that is there, as the network card of a guest. */
const assigned = (['yes', 'no'] as const).map((managed): LabCase => ({
  name: `assigned: a virtual function as <interface type='hostdev' managed='${managed}'>`,
  limit: 180,
  async run(context) {
    await must('modprobe', ['igbvf']);
    // libvirt wants /dev/vfio/vfio before it loads anything, and no systemd made it here (kmod static-nodes).
    await must('modprobe', ['vfio-pci']);
    makeByHand(context, 1);
    const address = linkName(attribute(devices.igb, 'virtfn0')) ?? '';
    await waitFor('igbvf', 20, () => driverOf(address) === 'igbvf' || undefined);
    await cardUp(context);

    const domain = await Domain.define(context, 'network', [
      { kind: 'interface', address, managed: managed === 'yes' },
    ]);
    await domain.start();
    expectDriver('vfio-pci', address);
    await domain.shutdown();
    expectDriver('igbvf', address);
  },
}));

/** Virtual functions that are there for guests alone. */
export function srIovCases(order: Order): readonly LabCase[] {
  const golden = new Golden(order);
  return [
    ...assigned,
    {
      name: 'holds: virtual functions are made for the first of two guests, each gets its own, and they go with the last',
      limit: 300,
      async run(context) {
        // Loaded beforehand, so that the plan is the same whatever case came before.
        await must('modprobe', ['--all', 'igbvf', 'vfio-pci', 'vfio_iommu_type1']);
        write(power, 'auto');
        context.afterwards(() => {
          write(power, 'on');
        });
        configureFunctions(context, 2);
        await cardUp(context);
        const left = await Domain.define(context, 'left', [{ kind: 'interface', address: first }]);
        const right = await Domain.define(context, 'right', [{ address: second }]);
        const before = takeSnapshot();
        golden.check('vfs-plan-first', await shown('plan', left.name));
        assert.deepEqual(differences(before, takeSnapshot()), []);

        await left.start();
        assert.deepEqual([count, autoprobe, power].map(read), ['2', '0', 'on']);
        expectDriver('vfio-pci', first);
        expectDriver(undefined, second);
        assert.deepEqual([groupOf(first), groupOf(second)], [[first], [second]]);
        golden.check('vfs-plan-second', await shown('plan', right.name));
        await right.start();
        expectDriver('vfio-pci', first, second);
        const status = await shown('status');
        for (const address of [first, second])
          assert.match(
            status,
            new RegExp(`${address} \\(IOMMU group \\d+\\) on vfio-pci, before: no driver`),
          );

        await left.shutdown();
        assert.deepEqual([count, autoprobe, power].map(read), ['2', '0', 'on']);
        expectDriver(undefined, first);
        expectDriver('vfio-pci', second);
        assert.equal(await right.state(), 'running');
        await right.destroy();
        assert.deepEqual(differences(before, takeSnapshot()), []);
      },
    },
    {
      name: 'holds: virtual functions of the administrator stay after the last guest, and must be enough',
      limit: 240,
      async run(context) {
        await must('modprobe', ['igbvf']);
        makeByHand(context, 2);
        await waitFor('igbvf', 20, () => driverOf(first) === 'igbvf' || undefined);
        const before = takeSnapshot();
        const domain = await Domain.define(context, 'enough', [{ address: first }]);
        configureFunctions(context, 3);
        const { status, stderr } = await domain.tryStart();
        assert.notEqual(status, 0, 'the start must be refused');
        golden.check('vfs-too-few', stderr);
        assert.deepEqual(differences(before, takeSnapshot()), []);

        configureFunctions(context, 2);
        await domain.start();
        expectDriver('vfio-pci', first);
        expectDriver('igbvf', second);
        await domain.shutdown();
        assert.deepEqual(differences(before, takeSnapshot()), []);
      },
    },
    {
      name: "holds: virtual functions of a disk controller, which the host's driver must not try",
      limit: 240,
      async run(context) {
        await must('modprobe', ['--all', 'vfio-pci', 'vfio_iommu_type1']);
        configureFunctions(context, 2, devices.slicedDisk);
        const [other, given] = ['0000:0b:00.1', '0000:0b:00.2'] as const;
        const before = takeSnapshot();
        const domain = await Domain.define(context, 'disks', [{ address: given }]);
        await domain.start();
        assert.equal(read(attribute(devices.slicedDisk, 'sriov_numvfs')), '2');
        expectDriver('vfio-pci', given);
        expectDriver(undefined, other);
        expectDriver('nvme', devices.slicedDisk, devices.nvme);
        await domain.shutdown();
        assert.deepEqual(differences(before, takeSnapshot()), []);
      },
    },
  ];
}
