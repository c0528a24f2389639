import assert from 'node:assert/strict';
import { hintText } from '../../src/hint.ts';
import { defaultConfig } from '../../src/config/config.ts';
import { SimulatedKill } from '../../simulator/host.ts';
import { failureOf, guest, pci, scenarios, type ScenarioOptions } from '../scenario.ts';

const MIB = 2 ** 20;
const GPU = '0000:03:00.0';
const win11 = guest('win11', GPU);

/** Every kind of write is in the life of a guest with this. */
const options: ScenarioOptions = {
  config: {
    ...defaultConfig,
    devices: [{ match: { by: 'class', word: 'vga' }, bars: new Map([[2, 8 * MIB]]) }],
  },
};

/** The same, where a sound device may be taken from the programs that have it open. */
const heldAllowed: ScenarioOptions = {
  config: {
    ...options.config,
    devices: [
      ...(options.config?.devices ?? []),
      { match: { by: 'address', address: pci('0000:03:00.1') }, bars: new Map(), allow: ['held'] },
    ],
  },
};

describe('a kernel write that fails', () => {
  const scenario = scenarios();

  it('names every device that is not back, and keeps the claim as long as it goes on', async () => {
    const s = scenario(options);
    await s.prepare(win11);
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/bind', times: 'always' });
    const error = await failureOf(s.release('win11'));
    assert.match(
      error.message,
      /cannot bind 0000:03:00.0 to amdgpu: EIO .*; cannot bind 0000:03:00.1 to snd_hda_intel: EIO/,
    );
    assert.equal((await s.recover())[0]?.outcome, 'incomplete');
    s.happens({ do: 'clear-faults' });
    await s.release('win11');
    s.nothingDiffers();
  });

  it('ends a start at once: no other device loses its driver for a guest that will not have them all', async () => {
    const s = scenario(options);
    s.fault({ kind: 'fail', errno: 'EBUSY' }, { path: '*/snd_hda_intel/unbind' });
    await failureOf(s.prepare(win11));
    assert.deepEqual(s.writes(), [
      'load vfio-pci',
      `${GPU}/driver_override < vfio-pci`,
      '0000:03:00.1/driver_override < vfio-pci',
      'snd_hda_intel/unbind < 0000:03:00.1 (EBUSY)',
      `${GPU}/driver_override < ""`,
      '0000:03:00.1/driver_override < ""',
    ]);
    s.nothingDiffers();
  });

  it('does not keep the other devices of the guest from being given back', async () => {
    const s = scenario(options);
    await s.prepare(guest('win11', GPU, '0000:0f:00.3'));
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/amdgpu/bind' });
    await failureOf(s.release('win11'));
    assert.equal(s.driver('0000:0f:00.3'), 'xhci_hcd');
    assert.equal(s.driver('0000:03:00.1'), 'snd_hda_intel');
    assert.equal(s.driver(GPU), 'none');
    await s.recover();
    s.nothingDiffers();
  });

  it('tells of all that went wrong side by side, what still waits in the kernel first', async () => {
    const s = scenario({ host: 'server-8-gpu' });
    const [one, two, three] = ['0000:19:00.0', '0000:4d:00.0', '0000:8c:00.0'] as const;
    s.fault({ kind: 'fail', errno: 'EBUSY' }, { path: '*/unbind', value: one });
    s.fault({ kind: 'hang' }, { path: '*/unbind', value: two });
    s.fault({ kind: 'hang' }, { path: '*/unbind', value: three });
    const error = await failureOf(s.prepare(guest('train', one, two, three)));
    assert.equal(error.code, 'VH_STUCK');
    assert.match(
      error.message,
      /^cannot unbind 0000:8c:00\.0 from nvidia: the kernel did not finish within 30 s/,
    );
    const hints = error.hints.map(hintText);
    assert.ok(hints.includes(`also: cannot unbind ${one} from nvidia: EBUSY`), hints.join());
    assert.ok(
      hints.some((hint) => hint.startsWith(`also: cannot unbind ${two} from nvidia: the kernel did`)),
    );
    assert.deepEqual(
      s.claims().map(({ state, stuck }) => [state, stuck.map(({ device }) => device)]),
      [['stuck', [three, two]]],
    );
    assert.equal(s.driver(one), 'nvidia');
    s.happens({ do: 'release-fault', id: 'fault-2' }, { do: 'release-fault', id: 'fault-3' });
    await s.recover();
    s.nothingDiffers();
  });

  it('gives a card its driver back that had lost it when another card failed', async () => {
    const s = scenario({ host: 'server-8-gpu' });
    const [one, two] = ['0000:19:00.0', '0000:4d:00.0'] as const;
    s.fault({ kind: 'fail', errno: 'EBUSY' }, { path: '*/unbind', value: one });
    const error = await failureOf(s.prepare(guest('train', one, two)));
    assert.match(error.message, /and everything is as it was$/);
    const writes = s.writes();
    assert.ok(
      writes.includes(`nvidia/unbind < ${two}`) && writes.includes(`nvidia/bind < ${two}`),
      writes.join(),
    );
    s.nothingDiffers();
  });

  it('says what could not be undone, and that recover retries it', async () => {
    const s = scenario(options);
    s.fault({ kind: 'fail', errno: 'EINVAL' }, { path: '*/vfio-pci/bind' });
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/amdgpu/bind' });
    const error = await failureOf(s.prepare(win11));
    assert.match(
      error.message,
      /^cannot bind 0000:03:00.0 to vfio-pci: EINVAL .*; guest "win11" is not started$/,
    );
    assert.match(
      hintText(error.hints[0]!),
      /^not everything is back \(cannot bind 0000:03:00.0 to amdgpu: EIO .*\); retry with: vfio-hook recover$/,
    );
    assert.equal((await s.recover())[0]?.outcome, 'restored');
    s.nothingDiffers();
  });

  for (const rollback of ['weak', 'lost', 'full'] as const) {
    it(`tells that the kernel lost BARs when a resize found no room, roll-back ${rollback}`, async () => {
      const room = { start: 512 * 2 ** 30, size: 17 * 2 ** 30 };
      const s = scenario({
        machine: { resizeRollback: rollback, window: room },
        config: {
          ...defaultConfig,
          devices: [{ match: { by: 'class', word: 'vga' }, bars: new Map([[0, 32 * 2 ** 30]]) }],
        },
      });
      const error = await failureOf(s.prepare(win11));
      assert.equal(error.code, 'VH_KERNEL');
      if (rollback === 'full') {
        assert.match(
          error.message,
          /^cannot resize BAR 0 of 0000:03:00.0 from 16 GiB to 32 GiB: ENOSPC .* and everything is as it was$/,
        );
        s.nothingDiffers();
        return;
      }
      assert.match(
        error.message,
        /^cannot resize BAR 0 of 0000:03:00.0 from 16 GiB to 32 GiB: the kernel lost BAR .* over it \(ENOSPC/,
      );
      assert.ok(
        error.hints.some((hint) => hintText(hint).includes(`echo 1 > /sys/bus/pci/devices/${GPU}/remove`)),
      );
    });
  }
});

describe('kernel writes that are slow', () => {
  const scenario = scenarios();

  it('refuse a start when they take longer than a run may, and all is put back in a time of its own', async () => {
    const s = scenario(options);
    s.config = { ...s.config, timeouts: { ...s.config.timeouts, run: 60_000 } };
    let passed = 0;
    s.wrapHost = (host) => ({
      ...host,
      now: () => host.now() + passed,
      write: async (path, value, deadlineMs) => {
        const result = await host.write(path, value, deadlineMs);
        if (path.endsWith('/unbind')) passed += 30_000;
        return result;
      },
    });
    const error = await failureOf(s.prepare(win11));
    assert.equal(error.code, 'VH_KERNEL');
    assert.match(
      error.message,
      /^stopped before: resize BAR 2 of 0000:03:00\.0 .* \(the run has taken longer than 60 s\); guest "win11" is not started and everything is as it was$/,
    );
    assert.ok(error.hints.map(hintText).some((hint) => hint.includes('raise timeouts.run')));
    s.nothingDiffers();
  });

  it('have time at the end for four of them, however long each may take', async () => {
    const s = scenario();
    s.config = { ...s.config, timeouts: { ...s.config.timeouts, kernelWrite: 40_000, run: 600_000 } };
    await s.prepare(win11);
    s.fault({ kind: 'slow', ms: 35_000 }, { path: '*/unbind', times: 2 });
    s.fault({ kind: 'slow', ms: 35_000 }, { path: '*/bind', times: 2 });
    await s.release('win11');
    s.nothingDiffers();
  });
});

describe('a kernel write that does not return', () => {
  const scenario = scenarios();

  it('may be the loading of a module', async () => {
    const s = scenario(options);
    s.machine.perform({ do: 'fault', rule: { id: 'hang', on: 'load', effect: { kind: 'hang' } } });
    const error = await failureOf(s.prepare(win11));
    assert.equal(error.code, 'VH_STUCK');
    assert.match(error.message, /^cannot load module vfio-pci: the kernel did not finish within 30 s/);
    s.happens({ do: 'release-fault', id: 'hang' });
    await s.recover();
    s.nothingDiffers();
  });

  it('is known from the process alone, when its run died before it could record it', async () => {
    const s = scenario(options);
    s.machine.perform({
      do: 'fault',
      rule: { id: 'hang', path: '*/amdgpu/unbind', effect: { kind: 'hang' } },
    });
    s.wrapHost = (host) => ({
      ...host,
      write: (path, value, deadlineMs) => {
        const writing = host.write(path, value, deadlineMs);
        if (!path.endsWith('/amdgpu/unbind')) return writing;
        host.die();
        throw new SimulatedKill();
      },
    });
    await assert.rejects(s.prepare(win11), SimulatedKill);
    s.wrapHost = (host) => host;
    assert.deepEqual(
      s.claims().map(({ state, stuck }) => [state, stuck]),
      [['preparing', []]],
    );
    s.writes();
    for (const who of [win11, guest('other', GPU)]) {
      assert.equal((await failureOf(s.prepare(who))).code, 'VH_STUCK');
    }
    assert.deepEqual(s.writes(), []);
    s.happens({ do: 'release-fault', id: 'hang' });
    await s.release('win11');
    s.nothingDiffers();
  });

  it('at the end keeps its device, and the others are given back', async () => {
    const s = scenario(options);
    await s.prepare(guest('win11', GPU, '0000:0f:00.3'));
    s.machine.perform({
      do: 'fault',
      rule: { id: 'hang', path: '*/vfio-pci/unbind', value: GPU, effect: { kind: 'hang' } },
    });
    const error = await failureOf(s.release('win11'));
    assert.equal(error.code, 'VH_INCOMPLETE');
    assert.equal(s.driver('0000:0f:00.3'), 'xhci_hcd');
    assert.deepEqual(
      s.claims().map(({ state }) => state),
      ['stuck'],
    );
    s.happens({ do: 'release-fault', id: 'hang' });
    await s.release('win11');
    s.nothingDiffers();
  });

  for (const kernel of ['6.1', '6.12', '7.2'] as const) {
    it(`may be an unbind that waits for a program, which takes effect late, on Linux ${kernel}`, async () => {
      const s = scenario({ ...options, ...heldAllowed, machine: { kernel } });
      s.happens({ do: 'hold-node', path: '/dev/snd/controlC1', program: 'pipewire' });
      const error = await failureOf(s.prepare(win11));
      assert.match(
        error.message,
        /^cannot unbind 0000:03:00.1 from snd_hda_intel: the kernel did not finish within 30 s/,
      );
      assert.equal(s.driver('0000:03:00.1'), 'leaving');
      assert.equal(s.driver(GPU), 'amdgpu');
      assert.equal((await failureOf(s.prepare(win11))).code, 'VH_STUCK');
      s.happens({ do: 'release-node', path: '/dev/snd/controlC1' });
      assert.equal(s.driver('0000:03:00.1'), 'none');
      await s.recover();
      s.nothingDiffers();
    });
  }

  it('does not keep a guest on another group from starting', async () => {
    const s = scenario(options);
    s.machine.perform({
      do: 'fault',
      rule: { id: 'hang', path: '*/amdgpu/unbind', effect: { kind: 'hang' } },
    });
    await failureOf(s.prepare(win11));
    await s.prepare(guest('other', '0000:0f:00.3'));
    assert.equal(s.driver('0000:0f:00.3'), 'vfio-pci');
  });
});
