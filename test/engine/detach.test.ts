import assert from 'node:assert/strict';
import { hintText } from '../../src/hint.ts';
import type { RunOwner } from '../../src/claim/claim.ts';
import { ownerPhrase } from '../../src/claim/owner.ts';
import { addProcess, claimOf, detach, planDetach, manualOwner, runOwner } from '../../src/engine/detach.ts';
import { refusalError } from '../../src/engine/make-plan.ts';
import { refusals } from '../../src/plan/plan.ts';
import { describeStep } from '../../src/steps/index.ts';
import { failureOf, guest, pci, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:03:00.0';
const SOUND = '0000:03:00.1';
const USB = '0000:0f:00.3';
const MIB = 2 ** 20;

const owners = (s: Scenario): string[] =>
  s.claims().map(({ owner, state }) => `${ownerPhrase(owner)} ${state}`);

/** What was refused, in words. */
function refused({ plan }: Awaited<ReturnType<Scenario['detach']>>): string[] {
  return refusals(plan).map(
    ({ device, reason, hints }) => `${device}: ${[reason, ...hints.map(hintText)].join('; ')}`,
  );
}

describe('detach', () => {
  const scenario = scenarios();

  it('moves the whole group and holds it, until reattach puts back what was there', async () => {
    const s = scenario();
    await s.detach([GPU]);
    assert.deepEqual([s.driver(GPU), s.driver(SOUND)], ['vfio-pci', 'vfio-pci']);
    assert.deepEqual(owners(s), ['vfio-hook detach held']);
    await s.reattach([SOUND]);
    s.nothingDiffers();
  });

  it('resizes BARs, also of a companion, and brings the sizes back', async () => {
    const s = scenario();
    await s.detach([SOUND], { bars: new Map([[pci(GPU), new Map([[2, 8 * MIB]])]]) });
    assert.equal(s.fact(`${GPU} bar 2`), '8 MiB');
    await s.reattach([GPU]);
    s.nothingDiffers();
  });

  it('refuses a BAR size for a device that is not concerned', async () => {
    const s = scenario();
    const error = await failureOf(s.detach([USB], { bars: new Map([[pci(GPU), new Map([[2, 8 * MIB]])]]) }));
    assert.equal(error.code, 'VH_USAGE');
    assert.equal(error.message, `a BAR size is given for ${GPU}, which is not to be detached`);
    s.nothingDiffers();
  });

  it('applies what the configuration says for all guests, and the command line is stronger', async () => {
    const s = scenario();
    s.config = {
      ...s.config,
      devices: [{ match: { by: 'class', word: 'vga' }, bars: new Map([[2, 64 * MIB]]) }],
    };
    await s.detach([GPU]);
    assert.equal(s.fact(`${GPU} bar 2`), '64 MiB');
    await s.reattach([GPU]);
    await s.detach([GPU], { bars: new Map([[pci(GPU), new Map([[2, 8 * MIB]])]]) });
    assert.equal(s.fact(`${GPU} bar 2`), '8 MiB');
    await s.reattach([GPU]);
    s.nothingDiffers();
  });

  it('of several devices in one go, each group can go back by itself', async () => {
    const s = scenario();
    await s.detach([GPU, USB]);
    assert.deepEqual(s.claims()[0]?.groups, [16, 22]);
    await s.reattach([GPU]);
    assert.deepEqual(
      [s.driver(GPU), s.driver(SOUND), s.driver(USB)],
      ['amdgpu', 'snd_hda_intel', 'vfio-pci'],
    );
    assert.deepEqual(
      s.claims().map(({ state, groups, devices }) => [state, groups, devices.map(({ address }) => address)]),
      [['held', [22], [USB]]],
    );
    await s.reattach([USB]);
    s.nothingDiffers();
  });

  it('twice does nothing the second time, and one reattach is enough', async () => {
    const s = scenario();
    await s.detach([GPU]);
    s.writes();
    await s.detach([GPU]);
    assert.deepEqual([s.writes(), owners(s)], [[], ['vfio-hook detach held']]);
    await s.detach([SOUND, USB]);
    assert.equal(s.claims().length, 2);
    await s.reattach([GPU, USB]);
    s.nothingDiffers();
  });

  it('otherwise than it is detached already is refused, with the way out', async () => {
    const s = scenario();
    await s.detach([GPU]);
    s.writes();
    const again = await s.detach([GPU], { bars: new Map([[pci(GPU), new Map([[2, 8 * MIB]])]]) });
    assert.deepEqual(refused(again), [
      `${GPU}: it is detached by hand already, but not as asked for now; give it back first: vfio-hook reattach ${GPU}`,
    ]);
    const stub = await s.detach([GPU], { driver: 'pci-stub' });
    assert.match(refused(stub).join(), /^0000:03:00\.0: it is detached by hand already, but not as asked/);
    assert.deepEqual(s.writes(), []);
  });

  it('is refused, and nothing done, while a guest holds a device of the group', async () => {
    const s = scenario();
    await s.prepare(guest('win11', GPU));
    s.writes();
    assert.deepEqual(refused(await s.detach([SOUND, USB])), [
      `${SOUND}: guest "win11" holds it; shut that guest down first; if it is not running, vfio-hook recover gives its devices back`,
      `${GPU}: guest "win11" holds it; shut that guest down first; if it is not running, vfio-hook recover gives its devices back`,
    ]);
    assert.deepEqual(s.writes(), []);
    assert.deepEqual(owners(s), ['guest "win11" held']);
  });

  it('of a pattern passes over the cards that are refused, whole', async () => {
    const s = scenario();
    await s.prepare(guest('win11', GPU));
    const { skipped } = await s.detach([GPU, SOUND, USB], { skipRefused: true });
    assert.deepEqual(
      skipped.map(({ code, message }) => [code, message]),
      [['VH_BUSY', `cannot detach ${GPU}: guest "win11" holds it`]],
    );
    assert.equal(s.driver(USB), 'vfio-pci');
    await s.reattach([USB]);
    await s.release('win11');
    s.nothingDiffers();
  });

  it('of a pattern of which all is refused does nothing', async () => {
    const s = scenario();
    await s.prepare(guest('win11', GPU));
    s.writes();
    const { skipped, plan } = await s.detach([GPU], { skipRefused: true });
    assert.deepEqual([skipped.length, plan.steps, s.writes()], [1, [], []]);
  });

  it('says that a device does not exist before there is so much as a lock', async () => {
    const s = scenario();
    assert.equal((await failureOf(s.detach(['0000:7f:00.0']))).code, 'VH_NO_DEVICE');
    assert.throws(() => s.claims()[0]!.state);
    s.nothingDiffers();
  });

  it('a failure on the way undoes everything and says that nothing is detached', async () => {
    const s = scenario();
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/vfio-pci/bind', value: SOUND });
    const error = await failureOf(s.detach([GPU, USB]));
    assert.match(error.message, /; nothing is detached and everything is as it was$/);
    s.nothingDiffers();
  });

  it('a signal on the way does as well', async () => {
    const s = scenario();
    let asked = 0;
    s.interrupted = () => ((asked += 1) > 4 ? 'SIGINT' : undefined);
    assert.match(
      (await failureOf(s.detach([GPU]))).message,
      /^stopped before: .* \(SIGINT\); nothing is detached/,
    );
    s.nothingDiffers();
  });

  it('a write that hangs is left to it, and the other devices go back', async () => {
    const s = scenario();
    s.config = { ...s.config, timeouts: { ...s.config.timeouts, kernelWrite: 100 } };
    s.fault({ kind: 'hang' }, { path: '*/snd_hda_intel/unbind' });
    const error = await failureOf(s.detach([GPU]));
    assert.equal(error.code, 'VH_STUCK');
    assert.deepEqual(owners(s), ['vfio-hook detach stuck']);
    assert.equal((await failureOf(s.detach([GPU]))).code, 'VH_STUCK');
    assert.equal((await failureOf(s.reattach([GPU]))).code, 'VH_STUCK');
    assert.deepEqual(
      (await s.recover()).map(({ outcome }) => outcome),
      ['incomplete'],
    );
    s.happens({ do: 'clear-faults' });
    await s.recover();
    s.nothingDiffers();
  });

  it('is planned by the same code, which changes nothing', async () => {
    const s = scenario();
    const request = { owner: manualOwner(), devices: [pci(GPU)], bars: new Map(), skipRefused: false };
    const { plan } = await planDetach(s.engine(), request);
    assert.deepEqual([s.writes(), s.claims()], [[], []]);
    const { plan: done } = await s.detach([GPU]);
    assert.deepEqual(plan.steps.map(describeStep), done.steps.map(describeStep));
  });

  it('does not outlive a reboot', async () => {
    const s = scenario();
    await s.detach([GPU]);
    s.happens({ do: 'reboot' });
    assert.deepEqual(await s.recover(), []);
    s.nothingDiffers();
  });
});

describe('detach with a driver that is none of vfio’s', () => {
  const scenario = scenarios();

  it('moves the named function alone', async () => {
    const s = scenario();
    await s.detach([SOUND], { driver: 'pci-stub' });
    assert.deepEqual([s.driver(GPU), s.driver(SOUND)], ['amdgpu', 'pci-stub']);
    assert.deepEqual(
      s.claims()[0]?.devices.map(({ address }) => address),
      [SOUND],
    );
    await s.reattach([SOUND]);
    s.nothingDiffers();
  });

  it('says when there is no such driver, and leaves everything as it was', async () => {
    const s = scenario();
    const { plan } = await s.detach([SOUND], { driver: 'no_such' });
    assert.match(refusalError(plan)?.message ?? '', /there is no driver "no_such"/);
    assert.deepEqual(s.writes(), []);
    s.nothingDiffers();
  });

  it('refuses a driver of the host: that is what reattach is for', async () => {
    const s = scenario();
    const { plan } = await s.detach([SOUND], { driver: 'snd_hda_intel' });
    assert.match(refusalError(plan)?.message ?? '', /"snd_hda_intel" is a driver of the host/);
    s.nothingDiffers();
  });

  it('a function that is not named may be refused to others without being in the way', async () => {
    const s = scenario();
    await s.detach([SOUND], { driver: 'pci-stub' });
    await s.detach([GPU], { driver: 'pci-stub' });
    assert.equal(s.claims().length, 2);
    await s.reattach([GPU]);
    assert.deepEqual([s.driver(GPU), s.driver(SOUND)], ['amdgpu', 'pci-stub']);
    await s.reattach([SOUND]);
    s.nothingDiffers();
  });
});

describe('a guest and what was detached by hand', () => {
  const scenario = scenarios();

  it('finds it ready, and leaves it detached', async () => {
    const s = scenario();
    await s.detach([GPU]);
    const detached = s.observation();
    s.writes();
    await s.prepare(guest('win11', GPU));
    assert.deepEqual(s.writes(), []);
    assert.deepEqual(owners(s).sort(), ['guest "win11" held', 'vfio-hook detach held']);
    s.happens({ do: 'open-group', devices: [GPU, SOUND], guest: 'win11' });
    s.happens({ do: 'close-group', guest: 'win11' });
    await s.release('win11');
    assert.deepEqual(owners(s), ['vfio-hook detach held']);
    assert.deepEqual([s.driver(GPU), s.driver(SOUND)], ['vfio-pci', 'vfio-pci']);
    assert.equal(s.observation()[`${GPU} driver override`], detached[`${GPU} driver override`]);
    await s.reattach([GPU]);
    s.nothingDiffers();
  });

  it('resizes a BAR of it for its own time', async () => {
    const s = scenario();
    await s.detach([GPU]);
    s.config = {
      ...s.config,
      devices: [{ match: { by: 'address', address: pci(GPU) }, bars: new Map([[2, 8 * MIB]]) }],
    };
    await s.prepare(guest('win11', GPU));
    assert.equal(s.fact(`${GPU} bar 2`), '8 MiB');
    await s.release('win11');
    assert.deepEqual([s.driver(GPU), s.fact(`${GPU} bar 2`)], ['vfio-pci', '256 MiB']);
    await s.reattach([GPU]);
    s.nothingDiffers();
  });

  it('keeps it from reattach while it is there, and from a second guest', async () => {
    const s = scenario();
    await s.detach([GPU, USB]);
    await s.prepare(guest('win11', GPU));
    const { refused: no } = await s.reattach([SOUND]);
    assert.deepEqual(
      no.map(({ code, message }) => [code, message]),
      [['VH_BUSY', `cannot give ${GPU} back to the host: guest "win11" holds it`]],
    );
    assert.match((await failureOf(s.prepare(guest('second', SOUND)))).message, /guest "win11" holds it$/);
    // What the guest has not got goes back.
    await s.reattach([USB]);
    assert.equal(s.driver(USB), 'xhci_hcd');
    await s.release('win11');
    await s.reattach([GPU]);
    s.nothingDiffers();
  });

  it('is refused one on another driver, and one that is half on its way', async () => {
    const s = scenario();
    await s.detach([GPU], { driver: 'pci-stub' });
    const error = await failureOf(s.prepare(guest('win11', GPU)));
    assert.equal(error.code, 'VH_BUSY');
    assert.match(error.message, /it is detached by hand and on pci-stub$/);
    assert.deepEqual(error.hints.map(hintText), [`give it back first: vfio-hook reattach ${GPU}`]);
    await s.reattach([GPU]);
    s.fault({ kind: 'kill', when: 'after' }, { path: '*/vfio-pci/bind' });
    await assert.rejects(s.detach([GPU]));
    s.happens({ do: 'clear-faults' });
    assert.match((await failureOf(s.prepare(guest('win11', GPU)))).message, /it is detached by hand and on /);
    await s.recover();
    s.nothingDiffers();
  });

  it('that is named "manual" is a guest like any other', async () => {
    const s = scenario();
    await s.detach([USB]);
    await s.prepare(guest('manual', GPU));
    await s.release('manual');
    assert.deepEqual([s.driver(GPU), s.driver(USB)], ['amdgpu', 'vfio-pci']);
    await s.release('manual');
    await s.release('vfio-hook detach');
    assert.deepEqual(owners(s), ['vfio-hook detach held']);
    await s.reattach([USB]);
    s.nothingDiffers();
  });
});

describe('detach and a start in the same moment', () => {
  const scenario = scenarios();
  const orders: Readonly<Record<string, boolean>> = {
    'the detach is first': true,
    'the guest is first': false,
  };
  for (const [name, detachFirst] of Object.entries(orders)) {
    it(`of one group: one waits for the other, ${name}`, async () => {
      const s = scenario();
      s.config = { ...s.config, timeouts: { ...s.config.timeouts, lock: 100 } };
      s.fault({ kind: 'hang' }, { path: '*/amdgpu/unbind' });
      const first = detachFirst ? s.detach([GPU]) : s.prepare(guest('win11', GPU));
      const second = detachFirst ? s.prepare(guest('win11', SOUND)) : s.detach([SOUND]);
      const error = await failureOf(second);
      assert.equal(error.code, 'VH_LOCK');
      assert.ok(error.message.includes(detachFirst ? 'by vfio-hook detach (pid' : 'by guest "win11" (pid'));
      s.happens({ do: 'clear-faults' });
      await first;
      if (detachFirst) await s.reattach([GPU]);
      else await s.release('win11');
      s.nothingDiffers();
    });
  }
});

describe('recover and what was detached by hand', () => {
  const scenario = scenarios();

  it('leaves it, and says how it goes back', async () => {
    const s = scenario();
    await s.detach([GPU]);
    s.time.now += 3_600_000;
    s.writes();
    assert.deepEqual(
      (await s.recover()).map(({ outcome, reasons }) => [outcome, ...reasons]),
      [['left', 'held on purpose: vfio-hook reattach gives the devices back']],
    );
    assert.deepEqual(s.writes(), []);
  });

  it('retries the part of a reattach that failed, and leaves the rest detached', async () => {
    const s = scenario();
    await s.detach([GPU, USB]);
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/amdgpu/bind' });
    const error = await failureOf(s.reattach([GPU]));
    assert.equal(error.code, 'VH_INCOMPLETE');
    assert.deepEqual(
      s.claims().map(({ state, devices }) => [state, devices.length]),
      [['incomplete', 3]],
    );
    // A guest may have the other one meanwhile.
    await s.prepare(guest('win11', USB));
    s.happens({ do: 'open-group', devices: [USB], guest: 'win11' });
    s.time.now += 120_000;
    assert.deepEqual((await s.recover()).map(({ outcome }) => outcome).sort(), ['left', 'restored']);
    assert.deepEqual([s.driver(GPU), s.driver(USB)], ['amdgpu', 'vfio-pci']);
    assert.deepEqual(owners(s).sort(), ['guest "win11" held', 'vfio-hook detach held']);
    s.happens({ do: 'close-group', guest: 'win11' });
    await s.release('win11');
    await s.reattach([USB]);
    s.nothingDiffers();
  });
});

describe('detach and reattach that are killed', () => {
  const scenario = scenarios();
  const small = new Map([[pci(GPU), new Map([[2, 8 * MIB]])]]);

  for (const phase of ['detach', 'reattach'] as const) {
    it(`before or after any kernel write of ${phase}: recover puts everything back`, async function () {
      this.timeout(60_000);
      const s = scenario();
      const run = (): Promise<unknown> =>
        phase === 'detach' ? s.detach([GPU, USB], { bars: small }) : s.reattach([GPU, USB]);
      if (phase === 'reattach') await s.detach([GPU, USB], { bars: small });
      const back = s.save();
      s.writes();
      await run();
      const points = s.writes().filter((point) => !point.startsWith('load'));
      assert.ok(points.length >= 8, points.join('\n'));
      for (const [index, point] of points.entries()) {
        for (const when of ['before', 'after'] as const) {
          back();
          s.machine.perform({
            do: 'fault',
            rule: { on: 'write', nth: index + 1, effect: { kind: 'kill', when } },
          });
          await assert.rejects(run(), Error, `it lived through ${when} ${point}`);
          s.happens({ do: 'clear-faults' });
          const outcomes = (await s.recover()).map(({ outcome }) => outcome);
          assert.deepEqual(outcomes, ['restored'], `${when} ${point}`);
          s.nothingDiffers();
        }
      }
    });
  }

  it('in the middle of a part: recover gives back that part, and no more', async () => {
    const s = scenario();
    await s.detach([GPU, USB]);
    s.fault({ kind: 'kill', when: 'after' }, { path: '*/vfio-pci/unbind' });
    await assert.rejects(s.reattach([GPU]));
    s.happens({ do: 'clear-faults' });
    await s.recover();
    assert.deepEqual(
      [s.driver(GPU), s.driver(SOUND), s.driver(USB)],
      ['amdgpu', 'snd_hda_intel', 'vfio-pci'],
    );
    assert.deepEqual(owners(s), ['vfio-hook detach held']);
    await s.reattach([USB]);
    s.nothingDiffers();
  });
});

describe('devices of a program', () => {
  const scenario = scenarios();
  const gone = { pid: 2 ** 22, startTime: 1 };

  /** Detaches the card for a program whose run is dead already. */
  async function orphaned(s: Scenario): Promise<RunOwner> {
    const engine = s.engine();
    const owner = { ...runOwner(engine.host, 'crosvm'), processes: [gone] };
    await detach(engine, { owner, devices: [pci(GPU)], bars: new Map(), skipRefused: false });
    return owner;
  }

  it('are given back by recover when neither the run nor the program is there', async () => {
    const s = scenario();
    await orphaned(s);
    assert.deepEqual(
      (await s.recover()).map(({ outcome }) => outcome),
      ['restored'],
    );
    s.nothingDiffers();
  });

  it('are left by recover while the program is there, also when the run is not', async () => {
    const s = scenario();
    const owner = await orphaned(s);
    const { pid, startTime } = s.engine().host.self();
    const program = { pid, startTime };
    addProcess(s.engine(), owner, program);
    assert.deepEqual(claimOf(s.engine(), owner)?.owner, { ...owner, processes: [gone, program] });
    assert.deepEqual(
      (await s.recover()).map(({ outcome, reasons }) => [outcome, ...reasons]),
      [['left', `"crosvm" is running (pid ${program.pid})`]],
    );
    assert.equal(s.driver(GPU), 'vfio-pci');
  });

  it('are left by recover while something has them open', async () => {
    const s = scenario();
    await orphaned(s);
    s.happens({ do: 'open-group', devices: [GPU, SOUND], guest: 'crosvm' });
    const [recovery] = await s.recover();
    assert.match(String(recovery?.reasons), /^they are in use: IOMMU group 16 is open in /);
    s.happens({ do: 'close-group', guest: 'crosvm' });
    await s.recover();
    s.nothingDiffers();
  });

  it('are refused to guests and to detach, with the name of the program', async () => {
    const s = scenario();
    await orphaned(s);
    assert.match(
      (await failureOf(s.prepare(guest('win11', GPU)))).message,
      /vfio-hook run "crosvm" holds it$/,
    );
    assert.match(
      refused(await s.detach([GPU])).join(),
      /vfio-hook run "crosvm" holds it; shut that program down/,
    );
    assert.equal((await s.reattach([GPU])).refused.length, 1);
  });

  it('that were detached by hand are left detached', async () => {
    const s = scenario();
    await s.detach([GPU]);
    await orphaned(s);
    await s.recover();
    assert.deepEqual([s.driver(GPU), ...owners(s)], ['vfio-pci', 'vfio-hook detach held']);
    await s.reattach([GPU]);
    s.nothingDiffers();
  });
});
