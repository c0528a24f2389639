import assert from 'node:assert/strict';
import { createMachine } from '../../simulator/machine.ts';
import { guestOwner } from '../../src/claim/owner.ts';
import type { Host } from '../../src/host/host.ts';
import { groupOf } from '../../src/observe/read-device.ts';
import { groupsOf, takeSnapshot } from '../../src/observe/take-snapshot.ts';
import { routingOf } from '../../src/observe/virtual-functions.ts';
import type { PciAddress } from '../../src/pci/address.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import type { Snapshot } from '../../src/pci/snapshot.ts';
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
 * but for the numbers of groups and what only a device that is there can tell.
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
    const owner = guestOwner(guest('a'));
    const planned = planHolds({ owner, claims: [], seen: await readHolds(host, there, 1000) }, there);
    assert.deepEqual(planned.refusals, []);
    const expected = expectAfter(await seen(host, [card, ...asked]), planned, asked);
    for (const { steps } of planned.changes)
      for (const step of steps) assert.deepEqual(await doStep(step, host, 1000), { kind: 'done' });
    const real = await seen(host, [card, ...asked]);
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
