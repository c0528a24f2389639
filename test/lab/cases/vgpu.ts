import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import type { Role } from '../../contract/contract.ts';
import { runRow } from '../../contract/run.ts';
import { vgpuRows } from '../../contract/rows-vgpu.ts';
import { type CaseContext, type LabCase, Skipped } from '../guest/case.ts';
import { contractAddresses, realTarget } from '../guest/contract-target.ts';
import { Domain } from '../guest/domain.ts';
import { domainXml } from '../guest/domain-xml.ts';
import { execute, type Execution, must } from '../guest/execute.ts';
import { expectDriver } from '../guest/expect.ts';
import { Golden } from '../guest/golden.ts';
import { KernelCaller } from '../guest/kernel-caller.ts';
import { insertModule } from '../guest/kernel-modules.ts';
import { configureHost } from '../guest/product.ts';
import { differences, takeSnapshot } from '../guest/snapshot.ts';
import { attribute, bindTo, linkName, read, tryWrite, write } from '../guest/sysfs.ts';
import { devices } from '../guest/topology.ts';
import type { Order } from '../protocol.ts';

/** Virtual functions of the network card, which stand for those of a graphics card of NVIDIA’s. */
const functions = ['0000:02:10.0', '0000:02:10.2', '0000:02:10.4'] as const;
const [first, second, third] = functions;

const addresses: Readonly<Record<Role, string>> = {
  ...contractAddresses,
  gpu: devices.igb,
  vf0: first,
  vf1: second,
  nic: third,
};

/** What the lab’s own driver called nvidia does not have. */
const impossible: ReadonlyMap<string, string> = new Map([
  ['V10', 'vfio-pci takes a function of a network card'],
  ['V11', 'the network card makes its virtual functions itself'],
  ...['V12', 'V13'].map((id) => [id, 'there is no unbind lock'] as const),
]);

/** The virtual functions, on a driver called nvidia with its attributes, for the time of a case. */
async function offer(context: CaseContext): Promise<void> {
  const [count, autoprobe] = ['sriov_numvfs', 'sriov_drivers_autoprobe'].map((name) =>
    attribute(devices.igb, name),
  );
  assert.ok(count !== undefined && autoprobe !== undefined);
  await insertModule('labnvidia');
  context.afterwards(async () => {
    tryWrite(count, '0');
    tryWrite(autoprobe, '1');
    await must('rmmod', ['labnvidia']);
  });
  write(autoprobe, '0');
  write(count, String(functions.length));
  for (const each of functions) bindTo(each, 'nvidia');
}

function typeOf(address: string): string | undefined {
  return read(attribute(address, 'nvidia/current_vgpu_type'));
}

function expectTypes(...types: readonly [string, string]): void {
  assert.deepEqual([first, second].map(typeOf), types);
  expectDriver('nvidia', ...functions);
}

/** The hook, called as libvirt calls it. */
async function hook(name: string, operation: string, sub: string, address: string): Promise<Execution> {
  // Libvirt's own XML always has one, the same for all of a guest's life.
  const digits = createHash('sha256').update(name).digest('hex');
  const uuid = digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
  return execute('/etc/libvirt/hooks/qemu', [name, operation, sub, '-'], {
    stdin: domainXml(name, [{ address, managed: false }]).replace('</name>', `</name><uuid>${uuid}</uuid>`),
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  });
}

function succeeded({ status, stdout, stderr }: Execution): void {
  assert.equal(status, 0, stdout + stderr);
}

/**
 * The rows of the contract, kept by the lab's own driver: what it does is written after the rows, what the kernel around it
 * does is the kernel's.
 */
export const vgpuRowCases: readonly LabCase[] = vgpuRows.map((row): LabCase => ({
  name: `contract ${row.id}: ${row.name}`,
  async run(context) {
    const reason = impossible.get(row.id);
    if (reason !== undefined) throw new Skipped(reason);
    await offer(context);
    const caller = new KernelCaller();
    context.afterwards(async () => caller.close());
    assert.deepEqual(await runRow(realTarget(caller, addresses), row), []);
  },
}));

/** As NVIDIA's own VFIO framework is, with a driver of the lab’s in its place. */
export function vgpuCases(order: Order): readonly LabCase[] {
  const golden = new Golden(order);
  return [
    {
      name: 'vgpu: a type is set for whoever opens the function, never taken from it, and 0 afterwards',
      limit: 240,
      async run(context) {
        await offer(context);
        configureHost(
          context,
          `vgpu:\n  - { vf: "${first}", type: NVIDIA L40S-24Q }\n  - { vf: "${second}", type: 1153 }\n`,
        );
        const before = takeSnapshot();
        succeeded(await hook('slice', 'prepare', 'begin', first));
        expectTypes('1155', '0');
        const other = await hook('other', 'prepare', 'begin', second);
        assert.notEqual(other.status, 0);
        golden.check('vgpu-other-size', other.stderr);

        const caller = new KernelCaller();
        context.afterwards(async () => caller.close());
        const group = `/dev/vfio/${linkName(attribute(first, 'iommu_group')) ?? ''}`;
        assert.equal(await caller.hold('qemu', 'open-group', group, first), 'ok');
        await hook('slice', 'release', 'end', first);
        expectTypes('1155', '0');
        await caller.letGo('qemu');
        succeeded(await hook('slice', 'release', 'end', first));
        expectTypes('0', '0');
        assert.deepEqual(differences(before, takeSnapshot()), []);
      },
    },
    {
      name: 'vgpu: through virsh, where libvirt takes a function that stays on its own VFIO driver',
      limit: 300,
      async run(context) {
        await offer(context);
        configureHost(context, `vgpu:\n  - { vf: "${first}", type: NVIDIA L40S-1Q }\n`);
        const managed = await Domain.define(context, 'managed', [{ address: first }]);
        const before = takeSnapshot();
        const destructive = await managed.tryStart();
        assert.notEqual(destructive.status, 0);
        golden.check('vgpu-managed', destructive.stderr);
        assert.deepEqual(differences(before, takeSnapshot()), []);

        const domain = await Domain.define(context, 'vgpu', [{ address: first, managed: false }]);
        const { status, stderr } = await domain.tryStart();
        if (order.suite === 'bookworm') {
          // Libvirt 9.0 knows vfio-pci alone (virHostdevPreparePCIDevices); what the hook had done is taken back.
          assert.match(stderr, /must be manually detached/);
          assert.deepEqual(differences(before, takeSnapshot()), []);
          return;
        }
        assert.equal(status, 0, stderr);
        await domain.runs();
        expectTypes('1147', '0');
        assert.equal(tryWrite(attribute(first, 'nvidia/current_vgpu_type'), '0'), 'EPERM');
        await domain.shutdown();
        assert.deepEqual(differences(before, takeSnapshot()), []);
      },
    },
  ];
}
