import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import type { Claim } from '../../src/claim/claim.ts';
import { claimKey } from '../../src/claim/owner.ts';
import { addProcess, claimOf, detach, runOwner } from '../../src/engine/detach.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { TakeLock } from '../../src/engine/flock.ts';
import { compareLocks, lockFile, type LockName } from '../../src/engine/lock-name.ts';
import { prepare } from '../../src/engine/prepare.ts';
import { reattach } from '../../src/engine/reattach.ts';
import { recover } from '../../src/engine/recover.ts';
import { giveBackLocked, release } from '../../src/engine/release.ts';
import { guest, pci, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:03:00.0';
const USB = '0000:0f:00.3';
const win11 = guest('win11', GPU);

/** An engine of a process of its own, and the locks that it has taken so far, in order. */
function watched(s: Scenario): { readonly engine: Engine; readonly taken: string[] } {
  const taken: string[] = [];
  const takeLock: TakeLock = (name) => {
    taken.push(lockFile(name));
    return () => undefined;
  };
  return { engine: { ...s.engine(), takeLock }, taken };
}

/** What a run reads first is what there was then: what comes between its first look and its locks. */
function readBefore(s: Scenario, claims: readonly Claim[]): void {
  let isFirst = true;
  s.wrapStore = (store) => ({
    ...store,
    all: () => {
      const stored = store.all();
      if (!isFirst) return stored;
      isFirst = false;
      return { ...stored, claims };
    },
  });
}

const lockOf = (claim: Claim | undefined): string => lockFile({ claim: claimKey(claim!.owner) });

describe('a run that changes a claim', () => {
  const scenario = scenarios();

  const request = (
    devices: readonly string[],
  ): { devices: ReturnType<typeof pci>[]; skipRefused: false } => ({
    devices: devices.map(pci),
    skipRefused: false,
  });
  const other = guest('other', USB);
  /** What comes before, and the run. */
  const runs: Readonly<Record<string, (s: Scenario) => Promise<(engine: Engine) => Promise<unknown>>>> = {
    'the first prepare of a guest': () => Promise.resolve((engine) => prepare(engine, win11)),
    'another prepare, that gives something back as well': async (s) => {
      await s.prepare(other);
      return (engine) => prepare(engine, guest('other', GPU));
    },
    'a prepare that fails': (s) => {
      s.fault({ kind: 'fail', errno: 'EBUSY' }, { path: '*/amdgpu/unbind' });
      return Promise.resolve((engine) => prepare(engine, win11).catch(() => undefined));
    },
    'a release': async (s) => {
      await s.prepare(other);
      return (engine) => release(engine, 'other');
    },
    recover: async (s) => {
      await s.prepare(other);
      s.happens({ do: 'stop-libvirt' });
      return (engine) => recover(engine, { dryRun: false });
    },
    'recover of what an earlier boot has left': async (s) => {
      await s.prepare(other);
      s.happens({ do: 'reboot' });
      return (engine) => recover(engine, { dryRun: false });
    },
    'a detach': () =>
      Promise.resolve((engine) =>
        detach(engine, { ...request([GPU]), owner: runOwner(engine.host, 'crosvm'), bars: new Map() }),
      ),
    'a reattach of everything': async (s) => {
      await s.detach([GPU, USB]);
      return (engine) => reattach(engine, request([GPU, USB]));
    },
    'a reattach of a part': async (s) => {
      await s.detach([GPU, USB]);
      return (engine) => reattach(engine, request([GPU]));
    },
    'a reattach of what no detach has': async (s) => {
      s.happens({ do: 'load', module: 'vfio-pci' });
      await s.moveByHand(GPU, 'vfio-pci');
      return (engine) => reattach(engine, request([GPU]));
    },
    'vfio-hook run, from its beginning to its end': () =>
      Promise.resolve(async (engine) => {
        const owner = runOwner(engine.host, 'crosvm');
        await detach(engine, { ...request([GPU]), owner, bars: new Map() });
        addProcess(engine, owner, { pid: 4711, startTime: 1 });
        await giveBackLocked(engine, owner, () => undefined);
      }),
  };
  for (const [name, begin] of Object.entries(runs)) {
    it(`has its lock each time, and asks for locks in order: ${name}`, async () => {
      const s = scenario();
      const run = await begin(s);
      const held: LockName[] = [];
      const wrong: string[] = [];
      let changes = 0;
      const takeLock: TakeLock = (lock) => {
        wrong.push(...held.filter((has) => compareLocks(has, lock) >= 0).map(lockFile));
        held.push(lock);
        return () => held.splice(held.indexOf(lock), 1);
      };
      const change = (key: string): void => {
        changes += 1;
        if (!held.some((lock) => compareLocks(lock, { claim: key }) === 0)) wrong.push(key);
      };
      s.wrapStore = (store) => ({
        ...store,
        write: (claim, by) => {
          change(claimKey(claim.owner));
          store.write(claim, by);
        },
        remove: (key, by) => {
          change(key);
          store.remove(key, by);
        },
      });
      await run({ ...s.engine(), takeLock });
      assert.deepEqual([wrong, held], [[], []]);
      assert.ok(changes > 0, 'it changes no claim');
    });
  }
});

describe('a reattach', () => {
  const scenario = scenarios();

  it('of a part locks its claim and the groups of that part, and nothing of the other part', async () => {
    const s = scenario();
    await s.detach([GPU, USB]);
    const [claim] = s.claims();
    const { engine, taken } = watched(s);
    await reattach(engine, { devices: [pci(USB)], skipRefused: false });
    assert.deepEqual(taken.filter((name) => name.startsWith('group')).length, 1);
    assert.ok(taken.includes(lockOf(claim)) && !taken.includes('group-16'), taken.join());
    assert.deepEqual([s.driver(GPU), s.driver(USB), s.claims()[0]?.groups], ['vfio-pci', 'xhci_hcd', [16]]);
  });

  it('of a part keeps no guest from the other part, nor waits for one', async () => {
    const s = scenario();
    await s.detach([GPU, USB]);
    s.fault({ kind: 'hang' }, { path: '*/vfio-pci/unbind', value: USB });
    const reattaching = s.reattach([USB]);
    for (let turns = 0; s.machine.state().tasks.length === 0; turns += 1) {
      assert.ok(turns < 10_000, 'nothing is written');
      await turn();
    }
    await s.prepare(win11);
    assert.deepEqual(
      s
        .claims()
        .map(({ owner, state }) => [owner.kind, state])
        .sort(),
      [
        ['guest', 'held'],
        ['manual', 'restoring'],
      ],
    );
    s.happens({ do: 'release-fault', id: 'fault-1' });
    await reattaching;
    await s.release('win11');
    await s.reattach([GPU]);
    s.nothingDiffers();
  });

  it('begins again when somebody detaches the card in the very moment in which it begins', async () => {
    const s = scenario();
    await s.detach([GPU]);
    const [claim] = s.claims();
    readBefore(s, []);
    const { engine, taken } = watched(s);
    await reattach(engine, { devices: [pci(GPU)], skipRefused: false });
    const [first = '', second, ...rest] = taken;
    assert.deepEqual(
      [second, rest.sort()],
      ['group-16', [lockOf(claim), rest.find(isNew), 'group-16'].sort()],
    );
    assert.ok(isNew(first));
    s.wrapStore = (store) => store;
    s.nothingDiffers();

    function isNew(name: string): boolean {
      return name.startsWith('claim-manual-') && name !== lockOf(claim);
    }
  });

  it('finds nothing to do when another one was faster', async () => {
    const s = scenario();
    await s.detach([GPU]);
    const before = s.claims();
    await s.reattach([GPU]);
    s.writes();
    readBefore(s, before);
    const { settled } = await s.reattach([GPU]);
    assert.deepEqual([settled, s.writes()], [[GPU], []]);
    s.wrapStore = (store) => store;
    s.nothingDiffers();
  });

  it('leaves the other part to a recover that has waited for it', async () => {
    const s = scenario();
    await s.detach([GPU, USB]);
    const [claim] = s.claims();
    // As it was while a reattach of USB, which is dead by now, was at work.
    const halfway: Claim = {
      ...claim!,
      state: 'restoring',
      devices: claim!.devices.map((each) => (each.address === USB ? { ...each, returning: true } : each)),
    };
    await s.reattach([USB]);
    s.writes();
    readBefore(s, [halfway]);
    const [recovery] = await s.recover();
    assert.deepEqual(
      [recovery?.outcome, recovery?.reasons],
      ['left', ['held on purpose: vfio-hook reattach gives the devices back']],
    );
    assert.deepEqual([s.writes(), s.driver(GPU)], [[], 'vfio-pci']);
    s.wrapStore = (store) => store;
    await s.reattach([GPU]);
    s.nothingDiffers();
  });

  it('of one card is refused while a write for another card of its detach has not returned', async () => {
    const s = scenario();
    s.config = { ...s.config, timeouts: { ...s.config.timeouts, kernelWrite: 100 } };
    s.fault({ kind: 'hang' }, { path: '*/xhci_hcd/unbind' });
    await s.detach([GPU, USB]).catch(() => undefined);
    assert.equal(s.claims()[0]?.state, 'stuck');
    await assert.rejects(s.reattach([GPU]), { code: 'VH_STUCK' });
  });
});

describe('addProcess', () => {
  const scenario = scenarios();

  it('notes the program in the claim as it is, and makes none', async () => {
    const s = scenario();
    const engine = s.engine();
    const owner = runOwner(engine.host, 'crosvm');
    addProcess(engine, owner, { pid: 1, startTime: 1 });
    assert.deepEqual(s.claims(), []);
    const devices = [pci(GPU)];
    await detach(engine, { owner, devices, bars: new Map(), skipRefused: false });
    addProcess(engine, owner, { pid: 4711, startTime: 1 });
    const claim = claimOf(engine, owner);
    assert.deepEqual(
      [claim?.state, claim?.owner],
      ['held', { ...owner, processes: [...owner.processes, { pid: 4711, startTime: 1 }] }],
    );
  });
});
