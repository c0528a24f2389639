import assert from 'node:assert/strict';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import type { MachineSpec } from '../../simulator/spec.ts';
import type { Claim } from '../../src/claim/claim.ts';
import type { Hold } from '../../src/claim/hold.ts';
import { guestOwner } from '../../src/claim/owner.ts';
import type { Wish } from '../../src/resource/kind.ts';
import type { HoldChange } from '../../src/resource/hold-input.ts';
import { planHolds } from '../../src/resource/plan-holds.ts';
import { planHoldsBack } from '../../src/resource/plan-holds-back.ts';
import { readHolds } from '../../src/resource/readers.ts';
import { doStep } from '../../src/steps/index.ts';
import { claimOf } from '../plan/snapshots.ts';
import { machineSpec } from '../scenario.ts';
import { inconsistencies } from '../simulator/consistency.ts';
import { attribute, toVfio } from '../simulator/machines.ts';
import { differences, observe } from '../simulator/observe.ts';
import { PF } from './generators.ts';

const MIB = 1024;
const GIB = 1024 * MIB;
const POOL = '/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages';

/** Guests on one simulated machine, with claims in memory: each start and end reads, plans and does steps. */
class Host {
  readonly machine: Machine;
  readonly claims = new Map<string, Claim>();
  readonly #beginning;

  constructor(facts: Partial<MachineSpec> = {}) {
    this.machine = createMachine(machineSpec('lab-q35', facts));
    this.#beginning = observe(this.machine.state());
  }

  /** What keeps a guest from it; undefined: it has it. */
  async start(name: string, ...wishes: readonly Wish[]): Promise<string | undefined> {
    const owner = ownerOf(name);
    const seen = await readHolds(this.machine.host(), wishes, 1000);
    const planned = planHolds({ owner, seen, claims: [...this.claims.values()] }, wishes);
    if (planned.refusals[0]) return planned.refusals[0].reason;
    this.#claim(name, 'preparing', planned.holds);
    const failed = await this.#do(planned.changes);
    if (failed !== undefined) {
      assert.deepEqual(await this.end(name), [], 'it was not undone');
      return failed;
    }
    this.#claim(name, 'held', planned.holds);
    return undefined;
  }

  /** What is not back, or was left alone. */
  async end(name: string): Promise<readonly string[]> {
    const holds = this.claims.get(name)?.holds ?? [];
    this.#claim(name, 'restoring', holds);
    const seen = await readHolds(this.machine.host(), holds, 1000);
    const back = planHoldsBack({ owner: ownerOf(name), seen, claims: [...this.claims.values()] }, holds);
    assert.equal(await this.#do(back.changes), undefined);
    if (back.left.length > 0) this.#claim(name, 'incomplete', holds);
    else this.claims.delete(name);
    return [...back.left, ...back.notes];
  }

  nothingDiffers(): void {
    assert.deepEqual(differences(this.#beginning, observe(this.machine.state())), []);
    assert.deepEqual(inconsistencies(this.machine.state()), []);
    assert.equal(this.claims.size, 0);
  }

  read(path: string): string | undefined {
    return this.machine.host().read(path)?.trim();
  }

  async #do(changes: readonly HoldChange[]): Promise<string | undefined> {
    for (const step of changes.flatMap(({ steps }) => steps)) {
      const outcome = await doStep(step, this.machine.host(), 1000);
      if (outcome.kind === 'failed') return outcome.reason;
      assert.notEqual(outcome.kind, 'stuck');
    }
    return undefined;
  }

  #claim(name: string, state: Claim['state'], holds: readonly Hold[]): void {
    this.claims.set(name, claimOf([], { owner: ownerOf(name), state, holds }));
  }
}

function ownerOf(name: string): Claim['owner'] {
  return guestOwner({ name, uuid: `uuid of ${name}` });
}

function memory(
  node: Partial<NonNullable<MachineSpec['memory']>['nodes'][number]> = {},
): Partial<MachineSpec> {
  const pages = { [2 * MIB]: 256 };
  const whole = { totalKb: 16 * GIB, availableKb: 8 * GIB, wholeKb: 8 * GIB, pinnedKb: 0, pages, ...node };
  return { memory: { nodes: [whole], sizesKb: [2 * MIB], compacts: true } };
}

const pages = (count: number): Wish => ({
  kind: 'hugepages',
  key: '2048kB node0',
  wish: { pages: count },
});
const functions = (count: number, autoprobe = false): Wish => ({
  kind: 'vfs',
  key: PF,
  wish: { count, autoprobe },
});

describe('huge pages on a simulated machine', () => {
  it('come with each of two guests and go with it, whoever is first', async () => {
    for (const order of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      const host = new Host(memory());
      await host.start('a', pages(1000));
      await host.start('b', pages(500));
      assert.equal(host.read(POOL), '1756');
      for (const name of order) assert.deepEqual(await host.end(name), []);
      assert.equal(host.read(POOL), '256');
      host.nothingDiffers();
    }
  });

  it('are made of broken memory once it is compacted', async () => {
    const host = new Host(memory({ wholeKb: GIB }));
    assert.equal(await host.start('a', pages(2048)), undefined);
    assert.equal(host.read(POOL), '2304');
    assert.deepEqual(await host.end('a'), []);
    host.nothingDiffers();
  });

  it('are none at all where the kernel makes too few, and the pool is as before', async () => {
    const host = new Host(memory({ wholeKb: GIB, pinnedKb: 6 * GIB }));
    assert.equal(
      await host.start('a', pages(2048)),
      'the kernel reported success, but there is unbroken memory for 1280 only',
    );
    assert.equal(host.read(POOL), '256');
    host.nothingDiffers();
  });

  it('are refused before anything is changed where the host has not the memory', async () => {
    const host = new Host(memory());
    assert.equal(await host.start('a', pages(5000)), '5000 more need 9.7 GiB, and the host can spare 8 GiB');
    assert.deepEqual(host.machine.journal(), []);
  });

  it('of another guest are never taken: what is in use stays, and goes the next time', async () => {
    const host = new Host(memory());
    await host.start('a', pages(100));
    const stranger = { program: 'qemu-system-x86', guest: 'stranger' } as const;
    host.machine.perform({ do: 'map-pages', ...stranger, sizeKb: 2 * MIB, pages: 300, touched: 290 });
    const left =
      'huge pages of 2 MiB on node 0: it stays at 300 in place of 256: 300 are in use, or promised to somebody';
    assert.deepEqual(await host.end('a'), [left]);
    assert.equal(host.read(POOL), '300');
    assert.deepEqual(await host.end('a'), [left], 'nothing has changed since');
    host.machine.perform({ do: 'close-group', guest: 'stranger' });
    assert.deepEqual(await host.end('a'), []);
    assert.equal(host.read(POOL), '256');
    host.nothingDiffers();
  });

  it('that somebody adds by hand are not subtracted', async () => {
    const host = new Host(memory());
    await host.start('a', pages(100));
    await host.machine.host().write(POOL, '400', 100);
    assert.match((await host.start('b', pages(1))) ?? '', /^somebody else has made it 400 in place of 356/);
    assert.deepEqual(await host.end('a'), [
      'huge pages of 2 MiB on node 0: somebody else has made it 400 in place of 256 or 356, so it stays; it was to be 256',
    ]);
    assert.equal(host.read(POOL), '400');
  });
});

describe('virtual functions on a simulated machine', () => {
  const numvfs = attribute(PF, 'sriov_numvfs');
  const VF0 = '0000:02:10.0';
  const VF1 = '0000:02:10.2';

  it('come with the first guest and go with the last; nothing of the host takes them', async () => {
    const host = new Host({});
    host.machine.perform({ do: 'load', module: 'igbvf' });
    assert.equal(await host.start('a', functions(2)), undefined);
    assert.equal(host.read(numvfs), '2');
    assert.equal(host.machine.host().readLink(attribute(VF0, 'driver')), undefined);
    const journal = host.machine.journal().length;
    assert.equal(await host.start('b', functions(2)), undefined);
    assert.deepEqual(await host.end('a'), []);
    assert.equal(host.machine.journal().length, journal, 'another guest has made or taken some');
    assert.equal(host.read(numvfs), '2');
    assert.deepEqual(await host.end('b'), []);
    host.nothingDiffers();
  });

  it('are for drivers of the host where the configuration says so', async () => {
    const host = new Host({});
    host.machine.perform({ do: 'load', module: 'igbvf' });
    await host.start('a', functions(2, true));
    assert.match(host.machine.host().readLink(attribute(VF1, 'driver')) ?? '', /igbvf$/);
    assert.deepEqual(await host.end('a'), []);
    host.nothingDiffers();
  });

  it('stay while another guest has one open, and go the next time', async () => {
    const host = new Host({});
    await host.start('a', functions(2));
    await toVfio(host.machine.host(), VF1);
    host.machine.perform({ do: 'open-group', devices: [VF1], guest: 'stranger', pid: 4711 });
    assert.deepEqual(await host.end('a'), [
      `virtual functions of ${PF}: ${VF1} is open in guest "stranger" (pid 4711)`,
    ]);
    assert.equal(host.read(numvfs), '2');
    host.machine.perform({ do: 'close-group', guest: 'stranger' });
    assert.deepEqual(await host.end('a'), []);
    host.nothingDiffers();
  });

  it('of the administrator stay, and have to be enough', async () => {
    const host = new Host({});
    await host.machine.host().write(numvfs, '3', 1000);
    const before = observe(host.machine.state());
    assert.match((await host.start('a', functions(4))) ?? '', /^3 are there already, and 4 are wanted/);
    assert.equal(await host.start('a', functions(2)), undefined);
    assert.deepEqual(await host.end('a'), []);
    assert.deepEqual(differences(before, observe(host.machine.state())), []);
  });

  it('keep their number while a guest has one of them', async () => {
    const host = new Host({});
    await host.start('a', functions(2));
    assert.equal(
      await host.start('b', functions(4)),
      'guest "a" has them with 2 in all, and 4 are wanted: the number changes only by way of 0, which takes all of them away',
    );
    assert.deepEqual(await host.end('a'), []);
    assert.equal(await host.start('b', functions(4)), undefined);
    assert.deepEqual(await host.end('b'), []);
    host.nothingDiffers();
  });

  it('are not made of a card whose driver is gone', async () => {
    const host = new Host({});
    await host.machine.host().write('/sys/bus/pci/drivers/igb/unbind', PF, 1000);
    assert.match((await host.start('a', functions(2))) ?? '', /^the card has no driver/);
  });

  it('go first, and then the card may sleep again', async () => {
    const host = new Host({});
    await host.machine.host().write(attribute(PF, 'power/control'), 'auto', 1000);
    await host.start('a', functions(1));
    assert.equal(host.read(attribute(PF, 'power/control')), 'on');
    await host.end('a');
    assert.equal(host.read(attribute(PF, 'power/control')), 'auto');
  });
});
