import assert from 'node:assert/strict';
import { ownerPhrase } from '../../src/claim/owner.ts';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Claim } from '../../src/claim/claim.ts';
import { defaultConfig } from '../../src/config/config.ts';
import type { SimulatedHost } from '../../simulator/host.ts';
import type { TakeLock } from '../../src/engine/flock.ts';
import { lockFile } from '../../src/engine/lock-name.ts';
import { release } from '../../src/engine/release.ts';
import { failureOf, guest, pci, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:03:00.0';
const SOUND = '0000:03:00.1';
const USB = '0000:0f:00.3';
const win11 = guest('win11', GPU);

/** A release that finds the host otherwise than the start left it. */
interface Surprise {
  readonly name: string;
  readonly first: (s: Scenario) => Promise<void> | void;
  readonly writes: readonly string[];
  /** Warnings in the log. */
  readonly notes: readonly string[];
  /** What differs from before the start afterwards, by the doing of others. */
  readonly differs?: Readonly<Record<string, string | undefined>>;
}

const endOf = (device: string, driver: string): readonly string[] => [
  `vfio-pci/unbind < ${device}`,
  `${device}/driver_override < ""`,
  `${driver}/bind < ${device}`,
];

const surprises: readonly Surprise[] = [
  {
    name: 'a device that is gone from the bus: the others are given back',
    first: (s) => {
      s.happens({ do: 'unplug', device: GPU });
    },
    writes: [...endOf(SOUND, 'snd_hda_intel'), `${SOUND}/power/control < auto`],
    notes: [`${GPU} is gone from the bus`],
  },
  {
    name: 'a device that somebody bound to a third driver: it stays there',
    first: (s) => s.moveByHand(SOUND, 'pci-stub'),
    writes: endOf(GPU, 'amdgpu'),
    notes: [`${SOUND} was bound to "pci-stub" by somebody else meanwhile`],
    differs: {
      [`${SOUND} driver`]: 'pci-stub',
      [`${SOUND} driver override`]: 'pci-stub',
      [`${SOUND} enable`]: '0',
      [`${SOUND} power control`]: 'on',
    },
  },
  {
    name: 'a device that somebody gave back to its own driver: only its attributes are put back',
    first: (s) => s.moveByHand(SOUND, 'snd_hda_intel'),
    writes: [
      `vfio-pci/unbind < ${GPU}`,
      `${GPU}/driver_override < ""`,
      `${SOUND}/driver_override < ""`,
      `amdgpu/bind < ${GPU}`,
      `${SOUND}/power/control < auto`,
    ],
    notes: [],
  },
  {
    name: 'a device that somebody took from vfio-pci',
    first: async (s) => {
      await s.moveByHand(GPU, 'none');
      await s.byHand(`/sys/bus/pci/devices/${GPU}/driver_override`, '');
    },
    writes: [
      `vfio-pci/unbind < ${SOUND}`,
      `${SOUND}/driver_override < ""`,
      `amdgpu/bind < ${GPU}`,
      `snd_hda_intel/bind < ${SOUND}`,
      `${SOUND}/power/control < auto`,
    ],
    notes: [],
  },
];

describe('release finds', () => {
  const scenario = scenarios();

  for (const { name, first, writes, notes, differs = {} } of surprises) {
    it(name, async () => {
      const s = scenario();
      const before = s.observation();
      await s.prepare(win11);
      await first(s);
      s.writes();
      await s.release('win11');
      assert.deepEqual(s.writes(), writes);
      assert.deepEqual(
        s.log.filter(({ severity }) => severity === 'warning').map(({ message }) => message),
        notes,
      );
      assert.deepEqual(s.claims(), []);
      const now = s.observation();
      for (const [fact, value] of Object.entries(before)) {
        if (now[fact] === undefined) assert.ok(fact.includes(GPU), fact);
        else assert.equal(now[fact], fact in differs ? differs[fact] : value, fact);
      }
    });
  }

  it('another card at the address: it is left alone', async () => {
    const s = scenario();
    await s.prepare(win11);
    s.happens({ do: 'unplug', device: GPU }, { do: 'unplug', device: SOUND });
    s.machine.store.update((state) => {
      const spec = state.spec.devices.find(({ address }) => address === GPU)!;
      state.removed.push({
        spec: { ...spec, vendor: '8086', device: '56a0' },
        bars: spec.bars.map(({ index, size }) => ({ index, size, start: -1 })),
      });
    });
    await s.byHand('/sys/bus/pci/rescan', '1');
    s.writes();
    await s.release('win11');
    assert.deepEqual(s.writes(), []);
    assert.ok(s.log.some(({ message }) => message === `another device sits at ${GPU} now (8086:56a0)`));
    assert.deepEqual(s.claims(), []);
  });
});

/** The way back when the run before it was killed while the kernel was at a write that ends by itself. */
describe('release after a run that was killed in the middle of a slow write', () => {
  const scenario = scenarios();
  const places: readonly (readonly [run: 'prepare' | 'release', on: 'probe' | 'remove', device: string])[] = [
    ['prepare', 'remove', `snd_hda_intel/${SOUND}`],
    ['prepare', 'remove', `amdgpu/${GPU}`],
    ['prepare', 'probe', `vfio-pci/${GPU}`],
    ['prepare', 'probe', `vfio-pci/${SOUND}`],
    ['release', 'remove', `vfio-pci/${GPU}`],
    ['release', 'probe', `amdgpu/${GPU}`],
  ];
  const killedAt = async (s: Scenario, place: (typeof places)[number], ms: number): Promise<void> => {
    const [run, on, which] = place;
    if (run === 'release') await s.prepare(win11);
    const [driver, device = ''] = which.split('/');
    const path = `*/${driver ?? ''}/${on === 'probe' ? 'bind' : 'unbind'}`;
    s.machine.perform({ do: 'fault', rule: { on, path: which, effect: { kind: 'slow', ms } } });
    s.fault({ kind: 'kill', when: 'after' }, { path, value: device });
    await assert.rejects(run === 'prepare' ? s.prepare(win11) : s.release('win11'));
  };

  for (const place of places) {
    it(`waits for the write, then gives everything back: ${place.join(' ')}`, async () => {
      const s = scenario();
      await killedAt(s, place, 1500);
      await s.release('win11');
      s.nothingDiffers();
      assert.equal(
        s.log.filter(({ message }) => message.startsWith('waiting for a write of a run that has died: '))
          .length,
        1,
      );
    });

    it(`waits no longer than the kernel may take, and says what is left: ${place.join(' ')}`, async () => {
      const s = scenario();
      s.config = { ...s.config, timeouts: { ...s.config.timeouts, kernelWrite: 2000 } };
      await killedAt(s, place, 20_000);
      const began = s.machine.host().now();
      const error = await failureOf(s.release('win11'));
      assert.match(error.message, /still waiting in the kernel: writing /);
      assert.ok(s.machine.host().now() - began < 3000, 'a deadline and one second');
      await s.machine.store.pause(20_000);
      s.machine.store.update(() => undefined);
      await s.release('win11');
      s.nothingDiffers();
    });
  }
});

describe('release', () => {
  const scenario = scenarios();

  it('finds room for two cards behind one switch that were both made smaller', async () => {
    const cards = ['0000:19:00.0', '0000:1a:00.0'];
    const s = scenario({
      host: 'server-8-gpu',
      config: {
        ...defaultConfig,
        devices: cards.map((card, index) => ({
          match: { by: 'address', address: pci(card) },
          bars: new Map([[1, [64 * 2 ** 30, 512 * 2 ** 20][index]!]]),
        })),
      },
    });
    await s.prepare(guest('win11', ...cards));
    assert.deepEqual(
      cards.map((card) => s.fact(`${card} bar 1`)),
      ['64 GiB', '512 MiB'],
    );
    await s.release('win11');
    s.nothingDiffers();
  });

  it('keeps the claim of a card that somebody gave to its driver with a BAR that is still changed, until that is back', async () => {
    const s = scenario({
      config: {
        ...defaultConfig,
        devices: [{ match: { by: 'address', address: pci(GPU) }, bars: new Map([[2, 8 * 2 ** 20]]) }],
      },
    });
    const before = s.fact(`${GPU} bar 2`);
    await s.prepare(win11);
    await s.moveByHand(GPU, 'amdgpu');
    const error = await failureOf(s.release('win11'));
    assert.equal(error.code, 'VH_INCOMPLETE');
    assert.ok(
      error.message.includes(`${GPU} was given to "amdgpu" by somebody else meanwhile: BAR 2 is still 8 MiB`),
    );
    assert.deepEqual([s.driver(GPU), s.driver(SOUND)], ['amdgpu', 'snd_hda_intel']);
    assert.deepEqual(
      s.claims().map(({ state }) => state),
      ['incomplete'],
    );
    // A second time finds the same, and what the sentence says helps.
    s.writes();
    await assert.rejects(s.release('win11'));
    assert.deepEqual(s.writes(), []);
    const [, path = ''] = /echo \S+ > (\S+)/.exec(error.message) ?? [];
    await s.byHand(path, GPU);
    await s.recover();
    assert.equal(s.fact(`${GPU} bar 2`), before);
    s.nothingDiffers();
  });

  it('does nothing the second time', async () => {
    const s = scenario();
    await s.prepare(win11);
    await s.release('win11');
    s.writes();
    await s.release('win11');
    assert.deepEqual(s.writes(), []);
    s.nothingDiffers();
  });

  it('does nothing, and makes no directory, for a guest that was never prepared', async () => {
    const s = scenario();
    await s.release('win11');
    await s.release('../../etc/passwd');
    assert.deepEqual(s.writes(), []);
    assert.equal(existsSync(join(s.directory, 'run')), false);
  });

  it('gives back what its own guest held and nothing else', async () => {
    const s = scenario();
    await s.prepare(win11);
    await s.prepare(guest('other', USB));
    await s.release('win11');
    assert.equal(s.driver(GPU), 'amdgpu');
    assert.equal(s.driver(USB), 'vfio-pci');
    assert.deepEqual(
      s.claims().map((claim) => ownerPhrase(claim.owner)),
      ['guest "other"'],
    );
  });

  it('touches nothing while somebody has the group open, and says who', async () => {
    const s = scenario();
    await s.prepare(win11);
    s.happens({ do: 'open-group', devices: [GPU], guest: 'win11', pid: 4321 });
    s.writes();
    const error = await failureOf(s.release('win11'));
    assert.equal(error.code, 'VH_BUSY');
    assert.equal(
      error.message,
      'the devices of guest "win11" are not given back: IOMMU group 16 is open in guest "win11" (pid 4321)',
    );
    assert.deepEqual(s.writes(), []);
    assert.deepEqual(
      s.claims().map(({ state }) => state),
      ['held'],
    );
    s.happens({ do: 'close-group', guest: 'win11' });
    await s.release('win11');
    s.nothingDiffers();
  });

  it('leaves what a start has taken that is younger than this release, which libvirtd’s death had delayed', async () => {
    const s = scenario();
    const delayed = s.engine();
    await s.machine.store.pause(1000);
    await s.prepare(win11);
    s.writes();
    const error = await failureOf(release(delayed, 'win11'));
    assert.equal(error.code, 'VH_BUSY');
    assert.equal(
      error.message,
      'the devices of guest "win11" are not given back: a younger start of the guest has taken them',
    );
    assert.deepEqual(s.writes(), []);
    assert.deepEqual(
      s.claims().map(({ state }) => state),
      ['held'],
    );
    await s.release('win11');
    s.nothingDiffers();
  });

  it('goes by the claim as it is under its lock, also when it names other groups than it did before', async () => {
    const s = scenario();
    await s.prepare(guest('win11', USB));
    const stale = s.claims();
    await s.release('win11');
    await s.prepare(win11);
    const locked: string[] = [];
    // What is read before the lock is what there was then.
    s.wrapStore = (store) => ({
      ...readFirst(stale)(store, s.machine.host()),
      one: (key) => (locked.length === 0 ? { ...store.one(key), claims: stale } : store.one(key)),
    });
    const takeLock: TakeLock = (name) => {
      locked.push(lockFile(name));
      return () => undefined;
    };
    await release({ ...s.engine(), takeLock }, 'win11');
    assert.deepEqual(locked, [`claim-${win11.uuid}`, 'group-16']);
    s.wrapStore = (store) => store;
    s.nothingDiffers();
  });

  it('does nothing when another release of the guest has done it while this one waited', async () => {
    const s = scenario();
    await s.prepare(win11);
    const stale = s.claims();
    await s.release('win11');
    s.writes();
    s.wrapStore = readFirst(stale);
    await s.release('win11');
    assert.deepEqual(s.writes(), []);
    s.wrapStore = (store) => store;
    s.nothingDiffers();
  });

  it('gives back every claim under the name, also when the first of them fails', async () => {
    const s = scenario();
    await s.prepare({ ...guest('win11', USB), uuid: '00000000-0000-4000-8000-000000000000' });
    await s.prepare({ ...guest('win11', GPU), uuid: 'ffffffff-0000-4000-8000-000000000000' });
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/xhci_hcd/bind' });
    const error = await failureOf(s.release('win11'));
    assert.equal(error.code, 'VH_INCOMPLETE');
    assert.equal(s.driver(GPU), 'amdgpu');
    await s.release('win11');
    s.nothingDiffers();
  });

  it('gives back the others when the group of a device that a write waits for is open', async () => {
    const s = scenario();
    await s.prepare(guest('win11', GPU, USB));
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/amdgpu/bind' });
    s.fault({ kind: 'hang' }, { path: '*/vfio-pci/unbind', value: USB });
    assert.equal((await failureOf(s.release('win11'))).code, 'VH_INCOMPLETE');
    assert.deepEqual([s.driver(GPU), s.claims()[0]?.state], ['none', 'stuck']);
    s.happens({ do: 'open-group', devices: [USB], guest: 'win11', pid: 4321 });
    const error = await failureOf(s.release('win11'));
    assert.equal(error.code, 'VH_INCOMPLETE');
    assert.equal(s.driver(GPU), 'amdgpu');
  });

  it('looks again at a device that another one’s driver has changed, once more and no more', async () => {
    for (const times of [1, 2]) {
      const s = scenario();
      await s.prepare(win11);
      s.wrapHost = (host) => changing(host, times);
      if (times === 1) await s.release('win11');
      else assert.match((await failureOf(s.release('win11'))).message, /not as before: set power control/);
      s.wrapHost = (host) => host;
      await s.release('win11');
      s.nothingDiffers();
    }
  });

  it('says that a claim cannot be trusted, when none of this guest can be read', async () => {
    const s = scenario();
    await s.prepare(win11);
    const [file] = readdirSync(join(s.directory, 'run/claims'));
    s.damage(file!, '{');
    s.writes();
    const error = await failureOf(s.release('win11'));
    assert.equal(error.code, 'VH_CLAIM');
    assert.match(error.message, /^the claim .*\.json cannot be trusted: the file is no whole JSON document$/);
    assert.deepEqual(s.writes(), []);
  });

  it('goes on when the disk is full, since the originals are on it already', async () => {
    const s = scenario();
    await s.prepare(win11);
    s.wrapStore = fullDisk;
    await s.release('win11');
    s.wrapStore = (store) => store;
    assert.ok(
      s.log.some(({ severity, message }) => severity === 'warning' && message.endsWith('ENOSPC, continuing')),
    );
    s.nothingDiffers();
  });
});

/** While one function's power control is put back, so many times, the other's changes. */
function changing(host: SimulatedHost, times: number): SimulatedHost {
  const path = (device: string): string => `/sys/bus/pci/devices/${device}/power/control`;
  let left = times;
  return {
    ...host,
    write: async (attribute, value, deadlineMs) => {
      const other = [GPU, SOUND].find((device) => attribute === path(device)) === GPU ? SOUND : GPU;
      const changes = [GPU, SOUND].some((device) => attribute === path(device)) && left > 0;
      if (changes) {
        left -= 1;
        await host.write(path(other), host.read(path(other))?.trim() === 'on' ? 'auto' : 'on', deadlineMs);
      }
      return host.write(attribute, value, deadlineMs);
    },
  };
}

/** The claims were these when the run read them first. */
const readFirst =
  (claims: readonly Claim[]): Scenario['wrapStore'] =>
  (store) => {
    let first = true;
    return {
      ...store,
      all: () => {
        const stored = store.all();
        if (!first) return stored;
        first = false;
        return { ...stored, claims };
      },
    };
  };

const fullDisk: Scenario['wrapStore'] = (store) => ({
  ...store,
  write: () => {
    throw Object.assign(new Error('cannot write the claim: ENOSPC'), { code: 'ENOSPC' });
  },
});
