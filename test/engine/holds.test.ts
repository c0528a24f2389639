import assert from 'node:assert/strict';
import type { MemorySpec, NodeSpec } from '../../simulator/spec.ts';
import { defaultConfig, type Config } from '../../src/config/config.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { prepare } from '../../src/engine/prepare.ts';
import { release } from '../../src/engine/release.ts';
import { dieBefore, failureOf, guest, pci, scenarios, type Scenario } from '../scenario.ts';

/** A card without virtual functions, and two that it would have. */
const CARD = pci('0000:17:00.1');
const [FIRST, SECOND] = ['0000:17:0a.0', '0000:17:0a.1'] as const;
/** A card on which the administrator has made four. */
const MADE = pci('0000:17:00.0');
const [THERE, OTHER] = ['0000:17:02.0', '0000:17:02.1'] as const;

describe('virtual functions that a start makes', () => {
  const open = scenarios();

  function nic(...cards: readonly Partial<Config['sriov'][number]>[]): Scenario {
    const sriov = (cards.length > 0 ? cards : [{}]).map((card) => ({
      pf: CARD,
      vfs: 4,
      autoprobe: false,
      ...card,
    }));
    return open({ host: 'sriov-nic', config: { sriov } });
  }

  const made = ['0000:17:00.1/sriov_drivers_autoprobe < 0', '0000:17:00.1/sriov_numvfs < 4'];
  const gone = ['0000:17:00.1/sriov_numvfs < 0', '0000:17:00.1/sriov_drivers_autoprobe < 1'];

  it('are there for two guests, and gone with the last', async () => {
    const on = nic();
    await on.prepare(guest('a', FIRST));
    assert.equal(on.driver(FIRST), 'vfio-pci');
    assert.deepEqual(on.writes(), [
      ...made,
      'load vfio-pci',
      `${FIRST}/driver_override < vfio-pci`,
      `vfio-pci/bind < ${FIRST}`,
    ]);
    await on.prepare(guest('b', SECOND));
    assert.deepEqual(on.writes(), [`${SECOND}/driver_override < vfio-pci`, `vfio-pci/bind < ${SECOND}`]);
    await on.release('a');
    assert.deepEqual(on.writes(), [`vfio-pci/unbind < ${FIRST}`, `${FIRST}/driver_override < ""`]);
    assert.equal(on.driver(SECOND), 'vfio-pci');
    await on.release('b');
    assert.deepEqual(on.writes().slice(-2), gone);
    on.nothingDiffers();
  });

  it('belong to the claim with what there was before', async () => {
    const on = nic();
    await on.prepare(guest('a', FIRST));
    const [claim] = on.claims();
    assert.deepEqual(claim?.holds, [
      {
        kind: 'vfs',
        key: CARD,
        original: { count: 0, autoprobe: true, power: 'on' },
        wish: { count: 4, autoprobe: false },
      },
    ]);
    assert.deepEqual(
      claim.devices.map(({ address, physicalFunction }) => [address, physicalFunction]),
      [[FIRST, CARD]],
    );
  });

  it('go to drivers of the host first where the configuration wants that', async () => {
    const on = nic({ autoprobe: true });
    await on.prepare(guest('a', FIRST));
    assert.deepEqual([on.driver(FIRST), on.driver(SECOND)], ['vfio-pci', 'iavf']);
    await on.release('a');
    on.nothingDiffers();
  });

  it('of the administrator stay, and only have to be enough', async () => {
    const on = nic({ pf: MADE, vfs: 2 });
    await on.prepare(guest('a', THERE));
    await on.release('a');
    assert.ok(!on.writes().some((write) => write.includes('sriov')));
    on.nothingDiffers();
    on.config = { ...on.config, sriov: [{ pf: MADE, vfs: 5, autoprobe: false }] };
    const { code, message } = await failureOf(on.prepare(guest('a', THERE)));
    assert.equal(code, 'VH_REFUSED');
    assert.match(message, /^guest "a" cannot have virtual functions of 0000:17:00.0: 4 are there already/);
    on.nothingDiffers();
  });

  it('are not another number while a guest has one of them', async () => {
    const on = nic();
    await on.prepare(guest('a', FIRST));
    on.config = { ...on.config, sriov: [{ pf: CARD, vfs: 8, autoprobe: false }] };
    const { message } = await failureOf(on.prepare(guest('b', SECOND)));
    assert.match(message, /guest "a" has them with 4 in all, and 8 are wanted/);
    await on.release('a');
    on.nothingDiffers();
  });

  it('beyond the number are no devices of this host', async () => {
    const on = nic();
    const { code } = await failureOf(on.prepare(guest('a', '0000:17:0a.4')));
    assert.equal(code, 'VH_NO_DEVICE');
    on.nothingDiffers();
  });

  it('concern no guest that is assigned none of them', async () => {
    const on = nic();
    await on.prepare(guest('a', THERE));
    assert.deepEqual(on.claims()[0]?.holds, []);
  });

  it('stay until the device of the guest is back', async () => {
    const on = nic();
    await on.prepare(guest('a', FIRST));
    on.fault({ kind: 'fail', errno: 'EIO' }, { path: '/sys/bus/pci/drivers/vfio-pci/unbind' });
    on.writes();
    const { code } = await failureOf(on.release('a'));
    assert.equal(code, 'VH_INCOMPLETE');
    assert.ok(!on.writes().some((write) => write.includes('sriov')));
    await on.recover();
    on.nothingDiffers();
  });

  it('stay while somebody has one of them who does not hold them', async () => {
    const others: Readonly<Record<string, (on: Scenario) => Promise<unknown>>> = {
      // The configuration does not know the card any more.
      'guest "b"': (on) => {
        on.config = defaultConfig;
        return on.prepare(guest('b', SECOND));
      },
      'vfio-hook detach': (on) => {
        on.config = defaultConfig;
        return on.detach([SECOND]);
      },
    };
    for (const [who, takes] of Object.entries(others)) {
      const on = nic();
      await on.prepare(guest('a', FIRST));
      await takes(on);
      const { code, message } = await failureOf(on.release('a'));
      assert.equal(code, 'VH_INCOMPLETE');
      assert.ok(message.includes(`${SECOND} is held by ${who}`), message);
      assert.deepEqual([on.driver(FIRST), on.driver(SECOND)], ['none', 'vfio-pci']);
      if (who.startsWith('guest')) await on.release('b');
      else await on.reattach([SECOND]);
      await on.recover();
      on.nothingDiffers();
    }
  });

  it('that the card does not make leave everything as it was', async () => {
    const on = nic();
    on.fault({ kind: 'fail', errno: 'ENOMEM' }, { path: `/sys/bus/pci/devices/${CARD}/sriov_numvfs` });
    const { code, message } = await failureOf(on.prepare(guest('a', FIRST)));
    assert.equal(code, 'VH_KERNEL');
    assert.match(message, /ENOMEM .*; guest "a" is not started and everything is as it was$/);
    on.nothingDiffers();
  });

  it('that the vfio driver does not take go again', async () => {
    const on = nic();
    on.fault({ kind: 'fail', errno: 'ENODEV' }, { path: '/sys/bus/pci/drivers/vfio-pci/bind' });
    await failureOf(on.prepare(guest('a', FIRST)));
    on.nothingDiffers();
  });

  for (const [what, card] of Object.entries({
    'fewer than': { vfs: 2 },
    'more than': { vfs: 8 },
    'with drivers of the host, and not as': { autoprobe: true },
  })) {
    for (const died of ['sriov_numvfs', 'driver_override', 'vfio-pci/bind']) {
      it(`are ${what} an earlier start wanted that died before ${died}`, async () => {
        const on = nic();
        await diesAt(on, died, FIRST);
        on.config = { ...on.config, sriov: [{ pf: CARD, vfs: 4, autoprobe: false, ...card }] };
        await on.prepare(guest('a', FIRST));
        assert.equal(on.driver(FIRST), 'vfio-pci');
        assert.equal(on.fact(`${CARD} virtual functions`), String(on.config.sriov[0]?.vfs));
        await on.release('a');
        on.nothingDiffers();
      });
    }
  }

  it('may come while a start waits for the lock of the card', async () => {
    const on = nic();
    const none = on.save();
    await on.prepare(guest('a', FIRST));
    const made = on.save();
    none();
    const takeLock: Engine['takeLock'] = (name) => {
      if ('shared' in name) made();
      return () => undefined;
    };
    await prepare({ ...on.engine(), takeLock }, guest('b', SECOND));
    assert.deepEqual([on.driver(FIRST), on.driver(SECOND)], ['vfio-pci', 'vfio-pci']);
  });

  it('are no other guest’s while the write that takes them away has not returned', async () => {
    const on = nic();
    await on.prepare(guest('a', FIRST));
    const goOn = await stuckRelease(on, 'a', `/sys/bus/pci/devices/${CARD}/sriov_numvfs`, '0');
    on.writes();
    const { code, message } = await failureOf(on.prepare(guest('b', SECOND)));
    assert.equal(code, 'VH_STUCK');
    assert.match(message, /sriov_numvfs cannot be touched: an earlier kernel write has not returned/);
    assert.deepEqual(on.writes(), []);
    goOn();
    await on.recover();
    on.nothingDiffers();
  });

  it('that an earlier start wanted are another guest’s number, too', async () => {
    const on = nic();
    await diesAt(on, 'driver_override', FIRST);
    await on.prepare(guest('b', SECOND));
    on.config = { ...on.config, sriov: [{ pf: CARD, vfs: 2, autoprobe: false }] };
    const { message } = await failureOf(on.prepare(guest('a', FIRST)));
    assert.match(message, /guest "b" has them with 4 in all, and 2 are wanted/);
    assert.equal(on.driver(SECOND), 'vfio-pci');
    await on.release('a');
    await on.release('b');
    on.nothingDiffers();
  });

  it('that an earlier start wanted are gone when the guest has no virtual function any more', async () => {
    const on = nic();
    await diesAt(on, 'vfio-pci/bind', FIRST);
    on.config = defaultConfig;
    await on.prepare(guest('a', THERE));
    assert.equal(on.fact(`${CARD} virtual functions`), '0');
    assert.equal(on.driver(THERE), 'vfio-pci');
    await on.release('a');
    on.nothingDiffers();
  });

  it('that an earlier start wanted are no devices when nobody wants them any more', async () => {
    for (const died of ['driver_override', 'vfio-pci/bind']) {
      const on = nic();
      await diesAt(on, died, FIRST);
      on.config = defaultConfig;
      const { code } = await failureOf(on.prepare(guest('a', FIRST)));
      assert.equal(code, 'VH_NO_DEVICE');
      on.nothingDiffers();
    }
  });

  it('are given back by recover after a death at any write', async () => {
    for (let nth = 0; nth < 12; nth += 1) {
      const on = nic();
      const live = dieBefore(on, nth);
      await on.prepare(guest('a', FIRST)).catch(() => undefined);
      await on.release('a').catch(() => undefined);
      live();
      await on.recover();
      on.nothingDiffers();
    }
  });
});

/** A start that dies before its first write to a file of this name. */
async function diesAt(on: Scenario, file: string, ...devices: readonly string[]): Promise<void> {
  on.wrapHost = (real) => ({
    ...real,
    write: (path, ...rest) => {
      if (path.endsWith(file)) real.die();
      return real.write(path, ...rest);
    },
  });
  await on.prepare(guest('a', ...devices)).catch(() => undefined);
  on.wrapHost = (real) => real;
}

/** A process that has not ended when the next one begins, so that a claim of it is not taken for one of a run that died. */
async function stuckRelease(on: Scenario, name: string, path: string, value: string): Promise<() => void> {
  on.machine.perform({ do: 'fault', rule: { id: 'slow', path, value, effect: { kind: 'hang' } } });
  assert.equal((await failureOf(release(on.engine(), name))).code, 'VH_INCOMPLETE');
  return () => {
    on.happens({ do: 'release-fault', id: 'slow' });
  };
}

describe('huge pages that a start adds', () => {
  const open = scenarios();
  const MIB = 1024;
  const GIB = 1024 * MIB;
  const POOL = '/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages';

  function host(facts: Partial<NodeSpec> = {}): Scenario {
    const node = { totalKb: 16 * GIB, availableKb: 8 * GIB, wholeKb: 8 * GIB, pinnedKb: 0, ...facts };
    const memory: MemorySpec = {
      sizesKb: [2 * MIB],
      compacts: true,
      nodes: [{ pages: { [2 * MIB]: 256 }, ...node }],
    };
    const on = open({
      host: 'sriov-nic',
      machine: { memory },
      config: { hugepages: { sizeKb: 2 * MIB, count: 512, node: 0 } },
    });
    on.hasOwnConfig = true;
    return on;
  }
  const wanting = (on: Scenario, count: number): Config => ({
    ...on.config,
    hugepages: { sizeKb: 2 * MIB, count, node: 0 },
  });
  const pages = (on: Scenario): number => Number(on.machine.host().read(POOL));

  it('are on top of those that are there, for each guest its own', async () => {
    const on = host();
    await on.prepare(guest('a'));
    assert.deepEqual(on.writes(), [`${POOL} < 768`]);
    await on.prepare(guest('b'));
    assert.equal(pages(on), 1280);
    await on.release('a');
    assert.equal(pages(on), 768);
    await on.release('b');
    on.nothingDiffers();
  });

  it('belong to a guest with devices, too', async () => {
    const on = host();
    await on.prepare(guest('a', THERE));
    assert.deepEqual([pages(on), on.driver(THERE)], [768, 'vfio-pci']);
    await on.release('a');
    on.nothingDiffers();
  });

  it('are for nobody who has no configuration of its own and no devices', async () => {
    const on = host();
    on.hasOwnConfig = false;
    await on.prepare(guest('a'));
    on.nothingDiffers();
  });

  it('that the kernel does not find are given back, and no device was touched', async () => {
    const on = host({ availableKb: 2 * GIB, wholeKb: 100 * 2 * MIB, pinnedKb: GIB + 512 * MIB });
    const { message } = await failureOf(on.prepare(guest('a', THERE)));
    assert.match(message, /everything is as it was$/);
    assert.ok(!on.writes().some((write) => write.includes('bind')));
    on.nothingDiffers();
  });

  it('that the host cannot spare are refused before anything is written', async () => {
    const on = host({ availableKb: 100 * 2 * MIB, wholeKb: 100 * 2 * MIB });
    const { code } = await failureOf(on.prepare(guest('a', THERE)));
    assert.equal(code, 'VH_REFUSED');
    assert.deepEqual(on.writes(), []);
    on.nothingDiffers();
  });

  it('that somebody else has changed stay, and are said', async () => {
    const on = host();
    await on.prepare(guest('a'));
    await on.byHand(POOL, '1000');
    const { message } = await failureOf(on.prepare(guest('b')));
    assert.match(message, /somebody else has made it 1000 in place of 768/);
    await on.release('a');
    assert.equal(pages(on), 1000);
    assert.ok(on.log.some(({ message: line }) => line.includes('so it stays')));
    assert.deepEqual(on.claims(), []);
  });

  it('are given back by recover after a death at any write', async () => {
    for (let nth = 0; nth < 8; nth += 1) {
      const on = host();
      let writes = 0;
      on.wrapHost = (real) => ({
        ...real,
        write: (...args) => {
          if (writes++ === nth) real.die();
          return real.write(...args);
        },
      });
      await on.prepare(guest('a', THERE)).catch(() => undefined);
      await on.release('a').catch(() => undefined);
      on.wrapHost = (real) => real;
      await on.recover();
      on.nothingDiffers();
    }
  });

  it('are not counted on while a write to the pool has not returned', async () => {
    const on = host();
    await on.prepare(guest('a'));
    const goOn = await stuckRelease(on, 'a', POOL, '256');
    on.writes();
    assert.equal((await failureOf(on.prepare(guest('b')))).code, 'VH_STUCK');
    // It is its own, and said once.
    assert.match(
      (await failureOf(on.release('a'))).message,
      /given back: still waiting in the kernel: set huge pages of 2 MiB on node 0 to 256$/,
    );
    assert.deepEqual(on.writes(), []);
    goOn();
    await on.recover();
    on.nothingDiffers();
  });

  it('go back after a write of another guest that has not returned', async () => {
    const on = host();
    await on.prepare(guest('a'));
    await on.prepare(guest('b'));
    const goOn = await stuckRelease(on, 'a', POOL, '768');
    on.writes();
    const { code, message } = await failureOf(on.release('b'));
    assert.equal(code, 'VH_INCOMPLETE');
    assert.match(message, /still waiting in the kernel: set huge pages of 2 MiB on node 0 to 768$/);
    assert.deepEqual(on.writes(), []);
    goOn();
    await on.recover();
    on.nothingDiffers();
  });

  it('that an earlier start wanted and this one does not are given back first', async () => {
    const on = host();
    await diesAt(on, 'driver_override', THERE);
    assert.equal(pages(on), 768);
    on.config = defaultConfig;
    await on.prepare(guest('a', THERE));
    assert.equal(pages(on), 256);
    await on.release('a');
    on.nothingDiffers();
  });

  for (const count of [100, 512 + 100]) {
    it(`are ${count} after an earlier start wanted 512`, async () => {
      const on = host();
      await diesAt(on, 'driver_override', THERE);
      on.config = wanting(on, count);
      await on.prepare(guest('a', THERE));
      assert.equal(pages(on), 256 + count);
      assert.deepEqual(
        on.claims()[0]?.holds.map(({ wish }) => wish),
        [{ pages: count }],
      );
      await on.release('a');
      on.nothingDiffers();
    });
  }

  it('are there when an earlier start that wanted more was cut short at just as many', async () => {
    const on = host();
    await diesAt(on, 'nr_hugepages', THERE);
    await on.byHand(POOL, String(256 + 100));
    on.config = wanting(on, 100);
    await on.prepare(guest('a', THERE));
    assert.equal(pages(on), 256 + 100);
    await on.release('a');
    on.nothingDiffers();
  });

  it('that an earlier start wanted are other ones where the host cannot spare both', async () => {
    const on = host({ availableKb: 600 * 2 * MIB, wholeKb: 600 * 2 * MIB });
    await diesAt(on, 'driver_override', THERE);
    on.config = wanting(on, 600);
    await on.prepare(guest('a', THERE));
    assert.equal(pages(on), 256 + 600);
    await on.release('a');
    on.nothingDiffers();
  });

  it('that an earlier start wanted are of another pool now', async () => {
    const on = host();
    await diesAt(on, 'driver_override', THERE);
    on.config = { ...on.config, hugepages: { sizeKb: 2 * MIB, count: 64 } };
    await on.prepare(guest('a', THERE));
    assert.equal(pages(on), 256 + 64);
    assert.deepEqual(
      on.claims()[0]?.holds.map(({ key }) => key),
      ['2048kB'],
    );
    await on.release('a');
    on.nothingDiffers();
  });

  it('that an earlier start wanted stay as they are when a device is refused', async () => {
    const on = host();
    await diesAt(on, 'driver_override', THERE);
    on.config = wanting(on, 100);
    await on.prepare(guest('b', OTHER));
    on.writes();
    const { code } = await failureOf(on.prepare(guest('a', OTHER)));
    assert.equal(code, 'VH_BUSY');
    assert.deepEqual(on.writes(), []);
  });
});
