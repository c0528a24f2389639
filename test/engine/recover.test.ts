import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { withChecksum } from '../../src/claim/checksum.ts';
import { encodeClaim } from '../../src/claim/decode.ts';
import type { Recovery } from '../../src/engine/recover.ts';
import { guest, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:03:00.0';
const win11 = guest('win11', GPU);

const nameOf = ({ owner }: Recovery): string => (owner.kind === 'guest' ? owner.name : owner.kind);

/** Who, what and why, in one line for each claim. */
const shown = (recoveries: readonly Recovery[]): string[] =>
  recoveries.map((each) => [`${nameOf(each)}: ${each.outcome}`, ...each.reasons].join('; '));

/** A prepare that dies after it has taken the devices from their drivers. */
async function crashedStart(s: Scenario): Promise<void> {
  s.fault({ kind: 'kill', when: 'after' }, { path: '*/vfio-pci/bind' });
  await assert.rejects(s.prepare(win11));
}

describe('recover of many claims', () => {
  const scenario = scenarios();
  const cards = ['0000:19:00.0', '0000:4d:00.0', '0000:8c:00.0'];

  /** Three guests that are gone, each with a card. */
  async function three(): Promise<Scenario> {
    const s = scenario({ host: 'server-8-gpu' });
    for (const card of cards) await s.prepare(guest(`of ${card}`, card));
    s.happens({ do: 'stop-libvirt' });
    return s;
  }

  it('reads each claim twice, however many there are: when it looks at all, and under its locks', async () => {
    const s = await three();
    let all = 0;
    let one = 0;
    s.wrapStore = (store) => ({
      ...store,
      all: () => ((all += 1), store.all()),
      one: (key) => ((one += 1), store.one(key)),
    });
    assert.deepEqual(
      (await s.recover()).map(({ outcome }) => outcome),
      ['restored', 'restored', 'restored'],
    );
    assert.deepEqual([all, one], [1, 3]);
    s.nothingDiffers();
  });

  it('looks at every process once for all of them, in a dry run', async () => {
    const s = await three();
    let looks = 0;
    s.wrapHost = (host) => ({ ...host, libvirtDaemons: () => ((looks += 1), host.libvirtDaemons()) });
    await s.recover({ dryRun: true });
    assert.equal(looks, 1);
  });

  it('ends after the claim that it is at when it is asked to stop, and says which it did not look at', async () => {
    const s = await three();
    // The signal comes while the first card is on its way.
    let writes = 0;
    s.wrapHost = (host) => ({ ...host, write: (...args) => ((writes += 1), host.write(...args)) });
    s.interrupted = () => (writes > 0 ? 'SIGTERM' : undefined);
    assert.deepEqual(
      (await s.recover()).map(({ outcome, reasons }) => [outcome, ...reasons]),
      [['restored'], ['not-tried', 'stopped by SIGTERM'], ['not-tried', 'stopped by SIGTERM']],
    );
    assert.equal(s.claims().length, 2);
    s.interrupted = () => undefined;
    await s.recover();
    s.nothingDiffers();
  });
});

describe('a dry run of recover while a write hangs', () => {
  const scenario = scenarios();

  it('says what waits, and what the recover then comes to', async () => {
    const s = scenario();
    s.config = { ...s.config, timeouts: { ...s.config.timeouts, kernelWrite: 100 } };
    s.fault({ kind: 'hang' }, { path: '*/snd_hda_intel/unbind' });
    await assert.rejects(s.prepare(win11));
    const step = 'unbind 0000:03:00.1 from snd_hda_intel';
    const dry = shown(await s.recover({ dryRun: true }));
    assert.equal(dry.length, 1);
    assert.match(
      dry[0] ?? '',
      new RegExp(`^win11: would-wait; still waiting in the kernel: ${step} \\(process \\d+\\)$`),
    );
    assert.deepEqual(shown(await s.recover()), [`win11: incomplete; still waiting in the kernel: ${step}`]);
    s.happens({ do: 'release-fault', id: 'fault-1' });
    assert.deepEqual(shown(await s.recover({ dryRun: true })), ['win11: would-restore']);
    await s.recover();
    s.nothingDiffers();
  });
});

interface Case {
  readonly name: string;
  readonly first: (s: Scenario) => Promise<void> | void;
  readonly says: readonly string[];
  /** Whether everything is as before afterwards. */
  readonly restored: boolean;
}

const cases: readonly Case[] = [
  { name: 'has nothing to do on a host without claims', first: () => undefined, says: [], restored: true },
  {
    name: 'gives back what a start that was killed has left',
    first: crashedStart,
    says: ['win11: restored'],
    restored: true,
  },
  {
    name: 'leaves a guest that is running',
    first: async (s) => {
      await s.prepare(win11);
      s.happens({ do: 'open-group', devices: [GPU], guest: 'win11', pid: 4321 });
      s.time.now += 3_600_000;
    },
    says: ['win11: left; the guest is running: IOMMU group 16 is open in guest "win11" (pid 4321)'],
    restored: false,
  },
  {
    name: 'leaves a guest whose devices were handed over just now: libvirt is about to start it',
    first: async (s) => {
      await s.prepare(win11);
      s.time.now += 59_000;
    },
    says: ['win11: left; the guest may be starting: its devices were handed over 59 s ago'],
    restored: false,
  },
  {
    name: 'gives back what was handed over just now, when no daemon of libvirt is there to start the guest',
    first: async (s) => {
      await s.prepare(win11);
      s.happens({ do: 'stop-libvirt' });
    },
    says: ['win11: restored'],
    restored: true,
  },
  {
    name: 'leaves a guest whose QEMU runs without having opened its devices, also when the daemon has died',
    first: async (s) => {
      await s.prepare(win11);
      s.happens({ do: 'start-qemu', guest: 'win11', pid: 4321 }, { do: 'stop-libvirt' });
      s.time.now += 3_600_000;
    },
    says: ['win11: left; the guest is running: "qemu-system-x86" (pid 4321)'],
    restored: false,
  },
  {
    name: 'gives back what a guest held that is gone without a release',
    first: async (s) => {
      await s.prepare(win11);
      s.time.now += 61_000;
    },
    says: ['win11: restored'],
    restored: true,
  },
  {
    name: 'does not take a claim from the future, after the clock was set back, for a fresh one',
    first: async (s) => {
      await s.prepare(win11);
      s.time.now -= 3_600_000;
    },
    says: ['win11: restored'],
    restored: true,
  },
  {
    name: 'leaves a claim on which a run is at work',
    first: async (s) => {
      await crashedStart(s);
      const [file] = readdirSync(join(s.directory, 'run/claims'));
      const [claim] = s.claims();
      const alive = s.machine.host().self();
      s.damage(file!, withChecksum(encodeClaim({ ...claim!, writer: alive })));
    },
    says: ['win11: left; a run is at work on it (pid PID)'],
    restored: false,
  },
  {
    name: 'reports what somebody else has changed meanwhile',
    first: async (s) => {
      await s.prepare(win11);
      s.time.now += 61_000;
      s.happens({ do: 'unplug', device: '0000:03:00.1' });
    },
    says: ['win11: restored; 0000:03:00.1 is gone from the bus'],
    restored: false,
  },
];

describe('recover', () => {
  const scenario = scenarios();

  for (const { name, first, says, restored } of cases) {
    it(name, async () => {
      const s = scenario();
      await first(s);
      s.writes();
      const before = [s.observation(), s.claims()];
      const planned = await s.recover({ dryRun: true });
      assert.deepEqual([s.observation(), s.claims()], before, 'a dry run changes nothing');
      assert.deepEqual(s.writes(), []);
      assert.deepEqual(
        planned.map(({ outcome }) => outcome),
        says.map((line) => (line.includes(': left') ? 'left' : 'would-restore')),
      );

      const done = shown(await s.recover()).map((line) =>
        line.replace(/at work on it \(pid \d+\)/, 'at work on it (pid PID)'),
      );
      assert.deepEqual(done, says);
      if (restored) s.nothingDiffers();
      if (says.some((line) => line.includes(': left'))) assert.deepEqual(s.writes(), []);
    });
  }

  it('goes on to the next claim when one cannot be given back', async () => {
    const s = scenario();
    await s.prepare(win11);
    await s.prepare(guest('usb', '0000:0f:00.3'));
    s.time.now += 61_000;
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/amdgpu/bind' });
    const done = shown(await s.recover()).sort();
    assert.equal(done.length, 2);
    assert.equal(done[0], 'usb: restored');
    assert.match(done[1]!, /^win11: incomplete; cannot bind 0000:03:00.0 to amdgpu: EIO/);
    assert.deepEqual(shown(await s.recover()), ['win11: restored']);
    s.nothingDiffers();
  });

  it('reports a claim that cannot be given back for another reason than the kernel’s', async () => {
    const s = scenario();
    await crashedStart(s);
    s.wrapStore = (store) => ({
      ...store,
      remove: () => {
        throw Object.assign(new Error('EROFS: …'), { code: 'EROFS', path: '/run/claim' });
      },
    });
    assert.deepEqual(shown(await s.recover()), [
      'win11: incomplete; cannot use /run/claim: EROFS (read-only file system)',
    ]);
    s.wrapStore = (store) => store;
    await s.recover();
    s.nothingDiffers();
  });

  it('leaves a guest that was started again while it waited for the lock', async () => {
    const s = scenario();
    await crashedStart(s);
    const crashed = s.claims();
    await s.prepare(win11);
    s.writes();
    let reads = 0;
    s.wrapStore = (store) => ({
      ...store,
      all: () => ((reads += 1) === 1 ? { ...store.all(), claims: crashed } : store.all()),
    });
    assert.deepEqual(shown(await s.recover()), [
      'win11: left; the guest may be starting: its devices were handed over 0 s ago',
    ]);
    assert.equal(reads, 1);
    assert.deepEqual(s.writes(), []);
  });

  it('removes the claims of an earlier boot, except in a dry run', async () => {
    const s = scenario();
    await s.prepare(win11);
    s.happens({ do: 'reboot' });
    const files = (): string[] => readdirSync(join(s.directory, 'run/claims'));
    await s.recover({ dryRun: true });
    assert.equal(files().length, 1);
    s.writes();
    assert.deepEqual(await s.recover(), []);
    assert.deepEqual(s.writes(), []);
    assert.deepEqual(files(), []);
  });

  it('removes no claim of this boot that has come in the place of one of an earlier boot meanwhile', async () => {
    const s = scenario();
    await s.prepare(win11);
    s.happens({ do: 'reboot' });
    const { outdated } = s.engine().store.all();
    assert.equal(outdated.length, 1);
    await s.prepare(win11);
    let reads = 0;
    s.wrapStore = (store) => ({
      ...store,
      all: () => ((reads += 1) === 1 ? { claims: [], damaged: [], outdated } : store.all()),
    });
    assert.deepEqual(await s.recover(), []);
    assert.equal(s.claims().length, 1);
  });

  it('leaves what cannot be trusted where it is', async () => {
    const s = scenario();
    await crashedStart(s);
    const [file] = readdirSync(join(s.directory, 'run/claims'));
    s.damage(file!, '');
    s.writes();
    assert.deepEqual(await s.recover(), []);
    assert.deepEqual(s.writes(), []);
    assert.deepEqual(readdirSync(join(s.directory, 'run/claims')), [file]);
  });
});
