import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import process from 'node:process';

import type { CaseContext, LabCase } from '../guest/case.ts';
import { Domain } from '../guest/domain.ts';
import { must } from '../guest/execute.ts';
import { Golden } from '../guest/golden.ts';
import { KernelCaller } from '../guest/kernel-caller.ts';
import { insertModule } from '../guest/kernel-modules.ts';
import { stopLibvirtd, startLibvirtd } from '../guest/libvirtd.ts';
import { configureHost, vfioHook } from '../guest/product.ts';
import { differences, takeSnapshot } from '../guest/snapshot.ts';
import { linkName, read, write } from '../guest/sysfs.ts';
import { waitFor } from '../guest/wait.ts';
import type { Order } from '../protocol.ts';

const type = '/sys/class/mdev_bus/labvgpu0/mdev_supported_types/labvgpu-1';

/** A UUID of these cases. */
function uuid(digit: number): string {
  return `5d1f1e8c-6a0e-4b6b-9a57-0f6b1d3c000${digit}`;
}

function pathOf(digit: number): string {
  return `/sys/bus/mdev/devices/${uuid(digit)}`;
}

/** These are there, and the parent has room for the rest of its four. */
function expectDevices(...digits: readonly number[]): void {
  assert.deepEqual(
    [1, 2, 3, 4, 5].filter((digit) => existsSync(pathOf(digit))),
    digits,
  );
  assert.equal(read(`${type}/available_instances`), String(4 - digits.length));
}

/** The parent, and what is configured to be made of it, for the time of a case. */
async function offer(context: CaseContext, rules: Readonly<Record<number, string>>): Promise<void> {
  await insertModule('labvgpu');
  context.afterwards(async () => {
    await must('rmmod', ['labvgpu']);
  });
  const lines = Object.entries(rules).map(
    ([digit, rule]) => `  - { uuid: ${uuid(Number(digit))}, ${rule} }\n`,
  );
  configureHost(context, `mdev:\n${lines.join('')}`);
}

const byId = 'parent: labvgpu0, type: labvgpu-1';

function guestWith(context: CaseContext, name: string, digit: number): Promise<Domain> {
  return Domain.define(context, name, [{ kind: 'mdev', uuid: uuid(digit) }]);
}

/** Mediated devices of a parent that this kernel really has, opened by guests. */
export function mdevCases(order: Order): readonly LabCase[] {
  const golden = new Golden(order);

  const refused = async (domain: Domain): Promise<string> => {
    const before = takeSnapshot();
    const { status, stderr } = await domain.tryStart();
    assert.notEqual(status, 0, 'the start must be refused');
    assert.deepEqual(differences(before, takeSnapshot()), []);
    return stderr;
  };

  return [
    {
      name: 'mdev: made for each of two guests, which open them; one UUID is for one guest, and each goes with its own',
      limit: 400,
      async run(context) {
        await offer(context, { 1: byId, 2: 'parent: auto, type: LAB vGPU' });
        const before = takeSnapshot();
        const left = await guestWith(context, 'left', 1);
        const right = await guestWith(context, 'right', 2);
        golden.check('mdev-plan', (await vfioHook('plan', left.name)).stdout);
        assert.deepEqual(differences(before, takeSnapshot()), []);

        await left.start();
        expectDevices(1);
        golden.check('mdev-same', await refused(await guestWith(context, 'same', 1)));
        await right.start();
        expectDevices(1, 2);
        golden.check('mdev-list', (await vfioHook('mdev')).stdout);

        await left.shutdown();
        expectDevices(2);
        await right.kill();
        expectDevices();
        assert.deepEqual(differences(before, takeSnapshot()), []);
      },
    },
    {
      name: 'mdev: the administrator’s stays, is refused while somebody has it open, and a full parent has no room',
      limit: 300,
      async run(context) {
        await offer(context, { 1: byId, 5: byId });
        for (const digit of [1, 2, 3, 4]) write(`${type}/create`, uuid(digit));
        const full = takeSnapshot();
        const own = await guestWith(context, 'own', 1);
        const caller = new KernelCaller();
        context.afterwards(async () => caller.close());
        const group = `/dev/vfio/${linkName(`${pathOf(1)}/iommu_group`) ?? ''}`;
        assert.equal(await caller.hold('other', 'open-group', group, uuid(1)), 'ok');
        // By its name, unless this machine is too slow to look at all processes in time.
        assert.match(
          await refused(own),
          /cannot have .*: it is open in (?:"perl" \(pid \d+\)|another process)\n/,
        );
        await caller.letGo('other');
        golden.check('mdev-full', await refused(await guestWith(context, 'one-too-many', 5)));

        await own.start();
        assert.equal(await caller.call(3000, 'try-open', group), 'EBUSY');
        await own.shutdown();
        assert.deepEqual(differences(full, takeSnapshot()), []);
        for (const digit of [1, 2, 3, 4]) write(`${pathOf(digit)}/remove`, '1');
      },
    },
    {
      name: 'mdev: the guest’s end that nobody told us of is made up for by recover, not while it is open',
      limit: 240,
      async run(context) {
        await offer(context, { 1: byId });
        const domain = await guestWith(context, 'lost', 1);
        await domain.start();
        const pid = domain.pid();
        await stopLibvirtd('SIGKILL');
        assert.equal((await vfioHook('recover')).status, 0);
        expectDevices(1);
        process.kill(pid, 'SIGKILL');
        await waitFor('the guest to be gone', 20, () => !existsSync(`/proc/${pid}`) || undefined);
        const { status, stdout, stderr } = await vfioHook('recover');
        assert.equal(status, 0, stdout + stderr);
        expectDevices();
        await startLibvirtd();
      },
    },
  ];
}
