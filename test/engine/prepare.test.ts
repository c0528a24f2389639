import assert from 'node:assert/strict';
import { ownerPhrase } from '../../src/claim/owner.ts';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hintText } from '../../src/hint.ts';
import { defaultConfig, type Config } from '../../src/config/config.ts';
import { parseDeviceMatch } from '../../src/config/match.ts';
import type { Domain } from '../../src/domain/domain.ts';
import { prepare } from '../../src/engine/prepare.ts';
import { VfioHookError, type ErrorCode } from '../../src/errors.ts';
import { everyLock, failureOf, guest, scenarios, type Scenario, type ScenarioOptions } from '../scenario.ts';

const MIB = 2 ** 20;
const GPU = '0000:03:00.0';
const SOUND = '0000:03:00.1';
const USB = '0000:0f:00.3';
const PF = '0000:17:00.0';

const bar = (index: number, size: number): Partial<Config> => ({
  ...defaultConfig,
  devices: [{ match: parseDeviceMatch('vga')!, bars: new Map([[index, size]]) }],
});

/** A start that is refused before anything is written. */
interface Refusal extends ScenarioOptions {
  readonly name: string;
  readonly first?: (s: Scenario) => Promise<void> | void;
  readonly guest: Domain;
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

const refused: readonly Refusal[] = [
  {
    name: 'a device that another guest claims',
    first: (s) => s.prepare(guest('first', GPU)),
    guest: guest('second', GPU),
    code: 'VH_BUSY',
    message: `cannot give ${GPU} to guest "second": guest "first" holds it`,
    hint: `shut that guest down first; if it is not running, vfio-hook recover gives its devices back`,
  },
  {
    name: 'a device whose sibling another guest claims',
    first: (s) => s.prepare(guest('first', GPU)),
    guest: guest('second', SOUND),
    code: 'VH_BUSY',
    message: `cannot give ${SOUND} to guest "second": guest "first" holds it`,
  },
  {
    name: 'a group that a guest without a claim has open',
    first: async (s) => {
      s.happens({ do: 'load', module: 'vfio-pci' });
      await s.moveByHand(GPU, 'vfio-pci');
      await s.moveByHand(SOUND, 'vfio-pci');
      s.happens({ do: 'open-group', devices: [GPU], guest: 'other', pid: 4321 });
    },
    guest: guest('win11', GPU),
    code: 'VH_BUSY',
    message: `cannot give ${GPU} to guest "win11": IOMMU group 16 is open in guest "other" (pid 4321)`,
    hint: `end the guest or program that uses ${GPU} first`,
  },
  {
    name: 'a chipset function that is assigned',
    guest: guest('win11', '0000:00:14.3'),
    code: 'VH_REFUSED',
    message: `cannot give 0000:00:14.3 to guest "win11": it is a function of the chipset that the host needs`,
  },
  {
    name: 'a group with a chipset function that has a driver',
    devicesOfHost: { '0000:00:14.0': { group: 16 } },
    guest: guest('win11', GPU),
    code: 'VH_REFUSED',
    message: `cannot give 0000:00:14.0, which shares the IOMMU group of an assigned device, to guest "win11": the chipset function stays with "piix4_smbus", which keeps the whole IOMMU group 16 from a guest`,
  },
  {
    name: 'a bridge that is assigned',
    guest: guest('win11', '0000:02:00.0'),
    code: 'VH_REFUSED',
    message: `cannot give 0000:02:00.0 to guest "win11": it is a bridge`,
    hint: 'assign the devices behind it instead',
  },
  {
    name: 'a physical function with virtual ones',
    host: 'sriov-nic',
    machine: { files: {}, wideRoutes: '' },
    guest: guest('win11', PF),
    code: 'VH_REFUSED',
    message: `cannot give ${PF} to guest "win11": it has 4 virtual functions, which go with it`,
    hint: `remove them first: echo 0 > /sys/bus/pci/devices/${PF}/sriov_numvfs`,
  },
  {
    name: 'a BAR size that the device does not have, with the sizes that it has',
    config: bar(2, 512 * MIB),
    guest: guest('win11', GPU),
    code: 'VH_REFUSED',
    message: `cannot give ${GPU} to guest "win11": BAR 2 of ${GPU} cannot be 512 MiB`,
    hint: 'it supports 2 MiB, 4 MiB, 8 MiB, 16 MiB, 32 MiB, 64 MiB, 128 MiB, 256 MiB',
  },
  {
    name: 'a BAR that cannot be resized',
    config: bar(5, MIB),
    guest: guest('win11', GPU),
    code: 'VH_REFUSED',
    message: `cannot give ${GPU} to guest "win11": BAR 5 of ${GPU} cannot be resized`,
    hint: `resizable BARs of ${GPU}: 0, 2`,
  },
  {
    name: 'a device that the host does not have',
    guest: guest('win11', '0000:2a:00.0'),
    code: 'VH_NO_DEVICE',
    message: 'there is no PCI device 0000:2a:00.0 on this host',
  },
  {
    name: 'any device when the IOMMU is off',
    machine: { iommu: false },
    guest: guest('win11', GPU),
    code: 'VH_NO_IOMMU',
    message: `${GPU} cannot be given to a guest: the IOMMU is off`,
  },
  {
    name: 'a name that tries to forge a line of the log',
    first: (s) => s.prepare(guest('first', GPU)),
    guest: guest('\u001b[2J"\nvfio-hook: all is well', GPU),
    code: 'VH_BUSY',
    message: `cannot give ${GPU} to guest "\\u{1b}[2J\\"\\u{a}vfio-hook: all is well": guest "first" holds it`,
  },
];

describe('prepare refuses, and writes nothing:', () => {
  const scenario = scenarios();

  for (const { name, first, guest: who, code, message, hint, ...options } of refused) {
    it(name, async () => {
      const s = scenario(options);
      await first?.(s);
      s.writes();
      const claims = s.claims();
      const before = s.observation();
      const error = await failureOf(s.prepare(who));
      assert.equal(error.message, message);
      assert.equal(error.code, code);
      if (hint !== undefined) assert.equal(error.hints.map(hintText)[0], hint);
      assert.deepEqual(s.writes(), []);
      assert.deepEqual(s.observation(), before);
      assert.deepEqual(s.claims(), claims);

      await s.release(who.name);
      assert.deepEqual(s.writes(), [], 'the release of a guest that was refused does nothing');
      assert.deepEqual(s.claims(), claims);
    });
  }
});

describe('prepare', () => {
  const scenario = scenarios();

  it('keeps no state for a guest without host devices, nor for one with mediated devices only', async () => {
    const s = scenario();
    await s.prepare(guest('plain'));
    await s.prepare(
      guest('vgpu', { kind: 'mdev', uuid: 'b5d0b0b4-0000-4000-8000-000000000000', managed: false }),
    );
    assert.deepEqual(s.writes(), []);
    assert.equal(existsSync(join(s.directory, 'run')), false);
  });

  it('lets two guests have devices of different groups at once', async () => {
    const s = scenario();
    await s.prepare(guest('first', GPU));
    await s.prepare(guest('second', '0000:0f:00.3'));
    assert.deepEqual(
      s
        .claims()
        .map((claim) => [ownerPhrase(claim.owner), claim.groups])
        .sort(),
      [
        ['guest "first"', [16]],
        ['guest "second"', [22]],
      ],
    );
    await s.release('first');
    assert.equal(s.driver('0000:0f:00.3'), 'vfio-pci');
    await s.release('second');
    s.nothingDiffers();
  });

  it('records the originals, who holds them, and since when', async () => {
    const s = scenario({ config: bar(2, 8 * MIB) });
    await s.prepare(guest('win11', GPU));
    const [claim] = s.claims();
    assert.ok(claim);
    assert.deepEqual(
      { ...claim, writer: undefined },
      {
        version: 3,
        bootId: s.machine.state().bootId,
        owner: { kind: 'guest', name: 'win11', uuid: guest('win11').uuid },
        state: 'held',
        claimedAt: '2026-01-02T03:04:05.000Z',
        writer: undefined,
        kernelWriteTimeout: 30_000,
        groups: [16],
        devices: [
          {
            address: GPU,
            group: 16,
            vendor: '1002',
            device: '744c',
            driver: 'vfio-pci',
            original: {
              driver: 'amdgpu',
              module: 'amdgpu',
              bars: [{ bar: 2, size: 256 * MIB }],
              powerControl: 'on',
              resetMethods: ['bus'],
            },
          },
          {
            address: SOUND,
            group: 16,
            vendor: '1002',
            device: 'ab30',
            driver: 'vfio-pci',
            original: { driver: 'snd_hda_intel', module: 'snd_hda_intel', bars: [], powerControl: 'auto' },
          },
        ],
        holds: [],
        stuck: [],
        leftovers: [],
      },
    );
  });

  it('keeps the first originals when the same guest is prepared again, and writes nothing', async () => {
    const s = scenario({ config: bar(2, 8 * MIB) });
    await s.prepare(guest('win11', GPU));
    const [first] = s.claims();
    s.writes();
    await s.prepare(guest('win11', GPU));
    assert.deepEqual(s.writes(), []);
    assert.deepEqual(
      s.claims().map(({ devices }) => devices),
      [first?.devices],
    );
    await s.release('win11');
    s.nothingDiffers();
  });

  it('keeps the first originals after a crash, though the machine was changed since', async () => {
    const s = scenario({ config: bar(2, 8 * MIB) });
    s.fault({ kind: 'kill', when: 'after' }, { path: '*/resource2_resize' });
    await assert.rejects(s.prepare(guest('win11', GPU)));
    assert.equal(s.fact(`${GPU} bar 2`), '8 MiB');
    await s.moveByHand(SOUND, 'vfio-pci');
    await s.byHand(`/sys/bus/pci/devices/${SOUND}/power/control`, 'on');
    s.config = { ...defaultConfig, ...bar(2, 16 * MIB) };
    await s.prepare(guest('win11', GPU));
    assert.equal(s.fact(`${GPU} bar 2`), '16 MiB');
    await s.release('win11');
    s.nothingDiffers();
  });

  it('leaves the claim alone while an earlier run of the same guest is still at work on it', async () => {
    const s = scenario();
    await s.prepare(guest('win11', GPU));
    const [claim] = s.claims();
    const { pid, startTime } = s.machine.host().self();
    const busy = { ...claim!, state: 'preparing' as const, writer: { pid, startTime } };
    s.engine().store.write(busy, everyLock);
    s.writes();
    const failure = await failureOf(s.prepare(guest('win11', GPU)));
    assert.equal(failure.code, 'VH_LOCK');
    assert.match(failure.message, /^another run still works on the devices of guest "win11" \(pid \d+\)$/);
    assert.deepEqual([s.writes(), s.claims()], [[], [busy]]);
  });

  it('does nothing when a younger start of the guest has its devices, which libvirtd’s death makes possible', async () => {
    const s = scenario();
    const delayed = s.engine();
    await s.machine.store.pause(1000);
    await s.prepare(guest('win11', GPU));
    s.writes();
    const before = s.claims();
    const error = await failureOf(prepare(delayed, guest('win11', GPU)));
    assert.equal(error.code, 'VH_BUSY');
    assert.equal(error.message, 'a younger start of guest "win11" has taken its devices already');
    assert.deepEqual(s.writes(), []);
    assert.deepEqual(s.claims(), before);
  });

  it('waits for an earlier start of the same guest, also when they have no group in common', async () => {
    const s = scenario({ config: { timeouts: { ...defaultConfig.timeouts, lock: 100 } } });
    const first = s.prepare(guest('win11', GPU));
    const error = await failureOf(s.prepare(guest('win11', USB)));
    assert.equal(error.code, 'VH_LOCK');
    assert.equal(
      error.message,
      `the same guest is being worked on by guest "win11" (pid ${process.pid}), which did not finish in 0.1 s`,
    );
    await first;
    assert.deepEqual(
      s.claims().map(({ groups }) => groups),
      [[16]],
    );
  });

  it('puts a BAR back to its first size when the configuration does not ask for another any more', async () => {
    const s = scenario({ config: bar(2, 8 * MIB) });
    await s.prepare(guest('win11', GPU));
    s.config = defaultConfig;
    await s.prepare(guest('win11', GPU));
    assert.equal(s.fact(`${GPU} bar 2`), '256 MiB');
    assert.equal(s.driver(GPU), 'vfio-pci');
    await s.release('win11');
    s.nothingDiffers();
  });

  it('gives back what was dropped from the XML since an earlier start without a release', async () => {
    const s = scenario();
    await s.prepare(guest('win11', GPU, '0000:0f:00.3'));
    s.writes();
    await s.prepare(guest('win11', GPU));
    assert.deepEqual(s.writes(), [
      'vfio-pci/unbind < 0000:0f:00.3',
      '0000:0f:00.3/driver_override < ""',
      'xhci_hcd/bind < 0000:0f:00.3',
    ]);
    assert.deepEqual(
      s.claims().map(({ groups }) => groups),
      [[16]],
    );
    await s.release('win11');
    s.nothingDiffers();
  });

  it('takes what was added to the XML since an earlier start without a release', async () => {
    const s = scenario();
    await s.prepare(guest('win11', GPU));
    await s.prepare(guest('win11', '0000:0f:00.3', GPU));
    assert.deepEqual(
      s.claims().map(({ groups }) => groups),
      [[16, 22]],
    );
    await s.release('win11');
    s.nothingDiffers();
  });

  it('gives everything back when the guest has no host devices any more', async () => {
    const s = scenario();
    await s.prepare(guest('win11', GPU));
    await s.prepare(guest('win11'));
    s.nothingDiffers();
  });

  it('does not start a guest whose dropped device is still open in another process', async () => {
    const s = scenario();
    await s.prepare(guest('win11', GPU, '0000:0f:00.3'));
    s.happens({ do: 'open-group', devices: ['0000:0f:00.3'], guest: 'thief', pid: 777 });
    s.writes();
    const error = await failureOf(s.prepare(guest('win11', GPU)));
    assert.equal(error.code, 'VH_INCOMPLETE');
    assert.match(error.message, /IOMMU group 22 is open in guest "thief" \(pid 777\)/);
    assert.deepEqual(s.writes(), []);
    s.happens({ do: 'close-group', guest: 'thief' });
    await s.release('win11');
    s.nothingDiffers();
  });

  it('rolls back when it is asked to stop in the middle', async () => {
    const s = scenario();
    let asked = 0;
    s.interrupted = () => ((asked += 1) > 5 ? 'SIGTERM' : undefined);
    const error = await failureOf(s.prepare(guest('win11', GPU)));
    assert.equal(
      error.message,
      `stopped before: unbind ${GPU} from amdgpu (SIGTERM); guest "win11" is not started and everything is as it was`,
    );
    s.nothingDiffers();
  });

  it('says why the start failed also when undoing it fails for a reason of its own', async () => {
    const s = scenario();
    s.fault({ kind: 'fail', errno: 'EINVAL' }, { path: '*/vfio-pci/bind' });
    s.wrapStore = (store) => ({
      ...store,
      remove: () => {
        throw new VfioHookError('VH_CLAIM', 'cannot remove the claim: EROFS');
      },
    });
    const error = await failureOf(s.prepare(guest('win11', GPU)));
    assert.match(error.message, /^cannot bind 0000:03:00.0 to vfio-pci: EINVAL/);
    assert.equal(
      error.hints.map(hintText)[0],
      'not everything is back (cannot remove the claim: EROFS); retry with: vfio-hook recover',
    );
    s.wrapStore = (store) => store;
    await s.recover();
    s.nothingDiffers();
  });

  it('logs each step with its result, and the end with its duration', async () => {
    const s = scenario();
    await s.prepare(guest('win11', GPU));
    const last = s.log.at(-1);
    assert.equal(last?.message, 'devices handed over');
    assert.equal(last.guest, 'win11');
    assert.equal(last.result, 'held');
    assert.ok((last.durationMs ?? -1) >= 0);
    assert.deepEqual(
      s.log
        .filter(({ message }) => message === 'step')
        .map(({ step, result }) => `${step ?? ''}: ${result ?? ''}`),
      [
        'load module vfio-pci: done',
        'load module vfio_iommu_type1: skipped',
        `set driver override of ${GPU} to vfio-pci: done`,
        `set driver override of ${SOUND} to vfio-pci: done`,
        `unbind ${SOUND} from snd_hda_intel: done`,
        `unbind ${GPU} from amdgpu: done`,
        `bind ${GPU} to vfio-pci: done`,
        `bind ${SOUND} to vfio-pci: done`,
      ],
    );
  });

  it('lets a fault in its own code through as it is', async () => {
    const s = scenario();
    s.wrapStore = (store) => ({
      ...store,
      all: () => {
        throw new TypeError('a fault');
      },
    });
    await assert.rejects(s.prepare(guest('win11', GPU)), (error) => !(error instanceof VfioHookError));
  });
});
