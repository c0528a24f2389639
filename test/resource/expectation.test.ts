import assert from 'node:assert/strict';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import { guestOwner } from '../../src/claim/owner.ts';
import type { Host } from '../../src/host/host.ts';
import { groupOf } from '../../src/observe/read-device.ts';
import { groupsOf, takeSnapshot } from '../../src/observe/take-snapshot.ts';
import { routingOf } from '../../src/observe/virtual-functions.ts';
import { parsePciAddress, type PciAddress } from '../../src/pci/address.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import { AUTO } from '../../src/pci/mdev.ts';
import { deviceAt, type Snapshot } from '../../src/pci/snapshot.ts';
import type { Wish } from '../../src/resource/kind.ts';
import { expectAfter, planHolds } from '../../src/resource/plan-holds.ts';
import { readHolds } from '../../src/resource/readers.ts';
import { promisedAddresses } from '../../src/pci/routing.ts';
import { doStep } from '../../src/steps/index.ts';
import { guest, machineSpec, pci } from '../scenario.ts';
import { attribute } from '../simulator/machines.ts';
import { exampleHosts } from '../sweep/subjects.ts';

/*
 * For every card of every example machine and every wish for it: once the holds are there, the host is as was expected,
 * but for the numbers of groups and what only a device that is there can tell. So for virtual functions, vGPUs on them and
 * mediated devices.
 */

const POOL: Wish = { kind: 'hugepages', key: '2048kB node0', wish: { pages: 32 } };

describe('what is expected of a host once a start has what it holds', () => {
  let wishes = 0;

  for (const name of exampleHosts()) {
    const cards = machineSpec(name).devices.filter(({ sriov }) => sriov);
    for (const { address, sriov, driver } of cards) {
      const card = pci(address);
      // Of the administrator's there are as many as there are.
      const most = (sriov?.numVfs ?? 0) || (sriov?.totalVfs ?? 0);
      const isNvidia = driver === 'nvidia';
      for (const count of isNvidia ? [most] : new Set([1, Math.min(2, most), Math.ceil(most / 2), most])) {
        for (const autoprobe of isNvidia ? [true] : [false, true]) {
          wishes += 1;
          it(`is what is there: ${name}, ${count} of ${card}${autoprobe ? ' for drivers of the host' : ''}`, async () => {
            await isAsExpected(name, card, [{ kind: 'vfs', key: card, wish: { count, autoprobe } }, POOL]);
          });
        }
      }
    }
  }

  it('was asked of several cards', () => {
    assert.ok(wishes >= 20, String(wishes));
  });
});

describe('what is expected of the parents of mediated devices', () => {
  const asked = new Set<string>();

  for (const name of exampleHosts()) {
    for (const [parent, types] of parentsOf(name)) {
      for (const type of types) {
        asked.add(`${name} ${type}`);
        it(`is what is there: ${name}, ${type} on ${parent}`, async () => {
          await areMade(name, parent, [mdevWish(0, parent, type)]);
        });
      }
      const [type = ''] = types;
      it(`is what is there: ${name}, ${type}, which chooses its parent`, async () => {
        await areMade(name, parent, [mdevWish(0, AUTO, type)]);
      });
    }
  }

  it('is one after the other, in the order of the wishes, and nothing of other devices', async () => {
    const [card, type] = [pci('0000:00:02.0'), 'i915-GVTg_V5_8'];
    await areMade(
      'intel-gvt-g',
      card,
      [0, 1, 2].map((nth) => mdevWish(nth, card, type)),
    );
  });

  it('was asked of GVT-g and of NVIDIA’s', () => {
    assert.ok(
      [...asked].some((each) => each.includes('i915-')) &&
        [...asked].some((each) => each.includes('nvidia-')),
    );
  });
});

describe('what is expected of virtual functions with a vGPU', () => {
  const VF = pci('0000:41:00.4');

  for (const type of [1145, 1152, 1156]) {
    it(`is what is there: type ${type}`, async () => {
      const wish: Wish = { kind: 'vgpu', key: VF, wish: { type, name: '', params: '' } };
      const { expected, real } = await comeTrue(
        createMachine(machineSpec('nvidia-vgpu-server')),
        [wish],
        [VF],
      );
      assert.equal(deviceAt(expected, VF)?.vgpuType, type);
      assert.deepEqual(real, expected);
    });
  }
});

/** The first parent of a machine's mediated devices by the types that it offers, where it is a PCI device. */
function parentsOf(name: string): ReadonlyMap<PciAddress, readonly string[]> {
  const parents = new Map<PciAddress, string[]>();
  for (const { parent, type } of machineSpec(name).mdevTypes) {
    const address = parsePciAddress(parent);
    const isOther = [...parents].some(([each, types]) => each !== address && types.includes(type));
    if (address && !isOther) parents.set(address, [...(parents.get(address) ?? []), type]);
  }
  return parents;
}

function mdevWish(nth: number, parent: string, type: string): Wish<'mdev'> {
  const key = `83b8f4f2-509f-382f-3c1e-e6bfe0fa100${nth}`;
  return { kind: 'mdev', key, wish: { parent, type, attributes: '[]', api: 'vfio-pci' } };
}

/** Makes mediated devices of one parent, which then has them, and nothing else has changed. */
async function areMade(name: string, parent: PciAddress, wishes: readonly Wish<'mdev'>[]): Promise<void> {
  const machine = createMachine(machineSpec(name));
  const { expected, real } = await comeTrue(machine, wishes, [parent]);
  const uuids = wishes.map(({ key }) => key);
  assert.deepEqual(deviceAt(expected, parent)?.mdevs, uuids);
  assert.deepEqual(real, expected);
  assert.deepEqual(Object.keys(machine.state().mdevs), uuids);
}

async function isAsExpected(name: string, card: PciAddress, wishes: readonly Wish[]): Promise<void> {
  // A card may sleep while it has none.
  for (const power of ['on', 'auto']) {
    const machine = createMachine(machineSpec(name));
    const host = machine.host();
    await host.write(attribute(card, 'power/control'), power, 1000);
    const routing = routingOf(host, card);
    assert.ok(routing);
    const there = wishes.filter(({ kind }) => kind !== 'hugepages' || machine.state().memory);
    const [{ wish }] = wishes as readonly [Wish<'vfs'>];
    // Each second one is for nobody.
    const asked = promisedAddresses(card, wish.count, routing).filter((_, index) => index % 2 === 0);
    const { expected, real } = await comeTrue(machine, there, [card, ...asked]);
    assert.deepEqual(
      expected.devices.map((device) => told(device, device)),
      expected.devices.map((device) =>
        told(
          device,
          real.devices.find(({ address }) => address === device.address),
        ),
      ),
    );
    const isMade = ({ members }: Snapshot['groups'][number]): boolean =>
      members.some((address) => expected.devices.some((each) => each.address === address && each.expected));
    assert.equal(real.devices.length, expected.devices.length);
    assert.deepEqual(
      real.groups.filter((group) => !isMade(group)),
      expected.groups,
    );
    assert.deepEqual(
      [real.vfio, real.drivers, real.silent],
      [expected.vfio, expected.drivers, expected.silent],
    );
    if (!wish.autoprobe) assert.deepEqual(real.uses, expected.uses);
  }
}

/** Plans wishes, does what is planned, and tells what was expected of these devices and what has become of them. */
async function comeTrue(
  machine: Machine,
  wishes: readonly Wish[],
  addresses: readonly PciAddress[],
): Promise<{ readonly expected: Snapshot; readonly real: Snapshot }> {
  const host = machine.host();
  const owner = guestOwner(guest('a'));
  const planned = planHolds({ owner, claims: [], seen: await readHolds(host, wishes, 1000) }, wishes);
  assert.deepEqual(planned.refusals, []);
  const expected = expectAfter(await seen(host, addresses), planned, addresses);
  for (const { steps } of planned.changes)
    for (const step of steps) {
      const { kind } = await doStep(step, host, 1000);
      // A module is loaded once.
      assert.ok(kind === 'done' || (kind === 'skipped' && step.kind === 'load-module'), kind);
    }
  return { expected, real: await seen(host, addresses) };
}

/** The groups of those that are there. */
function seen(host: Host, addresses: readonly PciAddress[]): Promise<Snapshot> {
  const there = addresses.filter((address) => groupOf(host, address) !== undefined);
  return takeSnapshot(host, groupsOf(host, there), { deadlineMs: 1000, ask: addresses });
}

/** Of a device that is there, what could be told of one that was only expected. */
function told(expected: PciDevice, real: Partial<PciDevice> = {}): object {
  if (!expected.expected) return real;
  const names = Object.keys(expected) as (keyof PciDevice)[];
  const own = names.filter((name) => name !== 'bars' && name !== 'expected');
  return Object.fromEntries(own.map((name) => [name, real[name]]));
}
