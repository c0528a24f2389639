import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { detach, manualOwner, runOwner, type DetachRequest } from '../../src/engine/detach.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { TakeLock } from '../../src/engine/flock.ts';
import { giveBack } from '../../src/engine/give-back.ts';
import { lockFile } from '../../src/engine/lock-name.ts';
import { lockRun } from '../../src/engine/lock.ts';
import { prepare } from '../../src/engine/prepare.ts';
import { giveBackLocked, release } from '../../src/engine/release.ts';
import { VfioHookError } from '../../src/errors.ts';
import { SimulatedKill } from '../../simulator/host.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import { claimedBy, failureOf, guest, machineSpec, pci, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:03:00.0';
const USB = '0000:0f:00.3';
const PATH = sysfs.moduleParameter('vfio_iommu_type1', 'allow_unsafe_interrupts');
const first = guest('first', GPU);
const second = guest('second', USB);

describe('allow_unsafe_interrupts, where interrupts are not remapped and the configuration allows it', () => {
  const open = scenarios();
  const scenario = (): Scenario =>
    open({ machine: { interruptRemapping: false }, config: { allowUnsafeInterrupts: true } });

  const parameter = (s: Scenario): string | undefined => s.machine.host().read(PATH)?.trim();
  const onlyParameter = (s: Scenario): string[] => s.writes().filter((write) => write.startsWith(PATH));
  const sharers = (s: Scenario): string[] =>
    s
      .claims()
      .filter(({ unsafeInterrupts }) => isDeepStrictEqual(unsafeInterrupts, { original: 'N' }))
      .map(claimedBy)
      .sort();
  const canStart = (s: Scenario, device: string, name: string): void => {
    s.happens({ do: 'open-group', devices: [device], guest: name }, { do: 'close-group', guest: name });
  };

  it('stays off without the key: the start is refused, as VFIO would refuse the guest', async () => {
    const s = open({ machine: { interruptRemapping: false } });
    const error = await failureOf(s.prepare(first));
    assert.match(error.message, /interrupts are not remapped/);
    assert.deepEqual(s.writes(), []);
  });

  it('is on for as long as the guest has its devices, set after its module is there and before any device moves', async () => {
    const s = scenario();
    await s.prepare(first);
    assert.deepEqual(s.writes().slice(0, 3), [
      'load vfio-pci',
      `${PATH} < Y`,
      `${GPU}/driver_override < vfio-pci`,
    ]);
    assert.deepEqual(sharers(s), ['first']);
    canStart(s, GPU, 'first');
    await s.release('first');
    assert.equal(s.writes().at(-1), `${PATH} < N`);
    s.nothingDiffers();
    await s.release('first');
    assert.deepEqual(s.writes(), []);
  });

  it('says so in the log', async () => {
    const s = scenario();
    await s.prepare(first);
    const [warning] = s.log.filter(({ severity }) => severity === 'warning');
    assert.match(warning?.message ?? '', /could take over the host$/);
  });

  it('stays on until the last of two guests ends', async () => {
    const s = scenario();
    await s.prepare(first);
    await s.prepare(second);
    assert.deepEqual(sharers(s), ['first', 'second']);
    assert.equal(onlyParameter(s).length, 1);
    await s.release('first');
    assert.deepEqual([parameter(s), onlyParameter(s)], ['Y', []]);
    canStart(s, USB, 'second');
    await s.release('second');
    assert.deepEqual(onlyParameter(s), [`${PATH} < N`]);
    s.nothingDiffers();
  });

  it('is nobody’s to turn off when it was on before', async () => {
    const s = scenario();
    s.happens({ do: 'load', module: 'vfio_iommu_type1' });
    await s.byHand(PATH, 'Y');
    s.writes();
    await s.prepare(first);
    assert.deepEqual(sharers(s), []);
    await s.release('first');
    assert.deepEqual([parameter(s), onlyParameter(s)], ['Y', []]);
  });

  it('is nobody’s to turn off when its module brought it on, by an options line of modprobe.d', async () => {
    const { modules } = machineSpec('amd-rdna3-desktop');
    const optioned = modules.map((module) =>
      module.name === 'vfio_iommu_type1'
        ? { ...module, parameters: { allow_unsafe_interrupts: 'Y' } }
        : module,
    );
    const s = open({
      machine: { interruptRemapping: false, modules: optioned },
      config: { allowUnsafeInterrupts: true },
    });
    await s.prepare(first);
    await s.release('first');
    assert.deepEqual([parameter(s), onlyParameter(s), s.claims()], ['Y', [], []]);
  });

  it('is left alone where interrupts are remapped, or nothing tells, and for a detach', async () => {
    for (const machine of [{ interruptRemapping: true }, {}]) {
      const s = open({ machine, config: { allowUnsafeInterrupts: true } });
      await s.prepare(first);
      assert.deepEqual([onlyParameter(s), sharers(s)], [[], []]);
    }
    const s = scenario();
    await s.detach([GPU]);
    assert.deepEqual([onlyParameter(s), sharers(s)], [[], []]);
  });

  it('is no consent for a guest that starts when the key is gone, while another one still has it on', async () => {
    const s = scenario();
    await s.prepare(first);
    s.config = { ...s.config, allowUnsafeInterrupts: false };
    assert.match((await failureOf(s.prepare(second))).message, /interrupts are not remapped/);
    await s.release('first');
    s.nothingDiffers();
  });

  for (const [effect, said] of [
    [{ kind: 'fail', errno: 'EACCES' }, /to Y: EACCES \(the parameter cannot be changed\);/],
    [{ kind: 'lie' }, /to Y: the kernel reported success, but the parameter reads "N" afterwards;/],
  ] as const) {
    it(`a write that ${effect.kind === 'lie' ? 'lies' : 'fails'} refuses the start, and everything is as it was`, async () => {
      const s = scenario();
      s.fault(effect, { path: PATH });
      const error = await failureOf(s.prepare(first));
      assert.match(error.message, said);
      assert.match(error.message, /everything is as it was$/);
      assert.ok(!s.writes().some((write) => write.includes('driver_override')));
      s.nothingDiffers();
    });

    it(`a write that ${effect.kind === 'lie' ? 'lies' : 'fails'} on the way back keeps the claim, which says so`, async () => {
      const s = scenario();
      await s.prepare(first);
      s.fault(effect, { path: PATH });
      const error = await failureOf(s.release('first'));
      assert.match(error.message, /cannot set parameter allow_unsafe_interrupts of vfio_iommu_type1 to N/);
      assert.deepEqual([s.claims()[0]?.state, sharers(s)], ['incomplete', ['first']]);
      assert.equal(s.driver(GPU), 'amdgpu');
      assert.deepEqual(
        (await s.recover()).map(({ outcome }) => outcome),
        ['restored'],
      );
      s.nothingDiffers();
    });
  }

  it('a write that hangs is waited for, and nothing is written past it', async () => {
    const s = scenario();
    s.fault({ kind: 'hang' }, { path: PATH });
    const error = await failureOf(s.prepare(first));
    assert.equal(error.code, 'VH_STUCK');
    s.writes();
    assert.equal((await failureOf(s.prepare(second))).code, 'VH_STUCK');
    assert.equal((await failureOf(s.release('first'))).code, 'VH_INCOMPLETE');
    assert.deepEqual(onlyParameter(s), []);
    s.happens({ do: 'clear-faults' });
    for (const { id } of s.machine.state().tasks) s.happens({ do: 'release-fault', id: String(id) });
    await s.recover();
    s.nothingDiffers();
  });

  it('goes off when a start fails later', async () => {
    const s = scenario();
    s.fault({ kind: 'fail', errno: 'EBUSY' }, { path: '*/snd_hda_intel/unbind' });
    await failureOf(s.prepare(first));
    assert.deepEqual(onlyParameter(s), [`${PATH} < Y`, `${PATH} < N`]);
    s.nothingDiffers();
  });

  it('goes off when a device cannot be given back', async () => {
    const s = scenario();
    await s.prepare(first);
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/amdgpu/bind' });
    await failureOf(s.release('first'));
    assert.deepEqual([parameter(s), sharers(s), s.claims()[0]?.state], ['N', [], 'incomplete']);
    await s.release('first');
    s.nothingDiffers();
  });

  it('stays on when a guest starts again that has its claim still, with other devices', async () => {
    const s = scenario();
    await s.prepare(guest('first', GPU, USB));
    await s.prepare(first);
    assert.deepEqual([parameter(s), sharers(s)], ['Y', ['first']]);
    await s.prepare(guest('first', USB));
    assert.deepEqual([parameter(s), sharers(s)], ['Y', ['first']]);
    await s.release('first');
    s.nothingDiffers();
  });

  it('is recovered wherever a process dies, also one of two that share it', async () => {
    for (const moment of ['before Y', 'after Y', 'before N', 'after N'] as const) {
      for (const other of [false, true]) {
        const s = scenario();
        const [when, value] = moment.split(' ');
        if (other) await s.prepare(second);
        const die = (): void => {
          s.wrapHost = (host) => ({
            ...host,
            write: async (path, written, deadlineMs) => {
              if (path !== PATH || written !== value) return host.write(path, written, deadlineMs);
              if (when === 'after') await host.write(path, written, deadlineMs);
              host.die();
              throw new SimulatedKill();
            },
          });
        };
        // The second of two turns nothing on, and the first to end nothing off: there it is not met.
        if (value === 'N') await s.prepare(first);
        die();
        // What a process does after its death never was.
        await (value === 'N' ? s.release('first') : s.prepare(first)).catch(() => undefined);
        s.wrapHost = (host) => host;
        s.time.now += 120_000;
        if (other) {
          await s.release('first');
          assert.deepEqual([parameter(s), sharers(s)], ['Y', ['second']], moment);
          await s.release('second');
        } else await s.recover();
        s.nothingDiffers();
      }
    }
  });

  it('a lock that is not to be had refuses a start, and keeps a release from beginning', async () => {
    const s = scenario();
    const engine = (): Engine => ({
      ...s.engine(),
      takeLock: (name) => {
        if ('shared' in name) throw new VfioHookError('VH_LOCK', 'somebody else has it');
        return () => undefined;
      },
    });
    for (const run of [prepare(engine(), first), detach(engine(), forRun(engine()))])
      assert.equal((await failureOf(run)).message, 'somebody else has it');
    assert.deepEqual(s.writes(), []);
    s.nothingDiffers();
    await s.prepare(first);
    s.writes();
    assert.equal((await failureOf(release(engine(), 'first'))).message, 'somebody else has it');
    assert.deepEqual([s.writes(), s.claims()[0]?.state, sharers(s)], [[], 'held', ['first']]);
    await s.release('first');
    s.nothingDiffers();
  });

  const forRun = ({ host }: Engine): DetachRequest => ({
    owner: runOwner(host, 'crosvm'),
    devices: [pci(GPU)],
    bars: new Map(),
    skipRefused: false,
  });

  /** The locks that a run takes and gives up, in order. */
  async function locksOf(s: Scenario, run: (engine: Engine) => Promise<unknown>): Promise<string[]> {
    const events: string[] = [];
    const takeLock: TakeLock = (name) => {
      events.push(`+${lockFile(name)}`);
      return () => events.push(`-${lockFile(name)}`);
    };
    await run({ ...s.engine(), takeLock });
    return events;
  }

  const shared = 'shared-parameter%20vfio_iommu_type1%20allow_unsafe_interrupts';
  const throughout = (claim: string): string[] => [
    ...[`+${claim}`, `+${shared}`, '+group-16'],
    ...['-group-16', `-${shared}`, `-${claim}`],
  ];

  it('is locked from before the groups to the end, by a start, by an end and by vfio-hook run', async () => {
    const s = scenario();
    const claim = `claim-${first.uuid}`;
    assert.deepEqual(await locksOf(s, (engine) => prepare(engine, first)), throughout(claim));
    // Also of a guest that has its claim still, when the configuration asks for it no more.
    s.config = { ...s.config, allowUnsafeInterrupts: false };
    await locksOf(s, (engine) => prepare(engine, guest('first'))).then((events) => {
      assert.deepEqual(events, throughout(claim));
    });
    s.config = { ...s.config, allowUnsafeInterrupts: true };
    await s.prepare(first);
    assert.deepEqual(await locksOf(s, (engine) => release(engine, 'first')), throughout(claim));
    s.nothingDiffers();
    const request = forRun(s.engine());
    const ofRun = `claim-run-${request.owner.uuid}`;
    assert.deepEqual(await locksOf(s, (engine) => detach(engine, request)), throughout(ofRun));
    assert.deepEqual(
      await locksOf(s, (engine) => giveBackLocked(engine, request.owner, () => undefined)),
      throughout(ofRun),
    );
    s.nothingDiffers();
  });

  it('is not locked where interrupts are remapped, where it is not allowed, and by a detach', async () => {
    const without = [`+claim-${first.uuid}`, '+group-16', '-group-16', `-claim-${first.uuid}`];
    const remapped = open({ machine: { interruptRemapping: true }, config: { allowUnsafeInterrupts: true } });
    assert.deepEqual(await locksOf(remapped, (engine) => prepare(engine, first)), without);
    assert.deepEqual(await locksOf(remapped, (engine) => release(engine, 'first')), without);
    const forbidden = open({ machine: { interruptRemapping: false } });
    const refused = await locksOf(forbidden, (engine) => prepare(engine, first).catch(() => undefined));
    assert.deepEqual(refused, without);
    const s = scenario();
    const owner = manualOwner();
    const events = await locksOf(s, (engine) => detach(engine, { ...forRun(engine), owner }));
    assert.deepEqual(events.slice(0, 2), [`+claim-manual-${owner.uuid}`, '+group-16']);
  });

  it('is changed by no run that does not have its lock', async () => {
    const s = scenario();
    await s.prepare(first);
    const [claim] = s.claims();
    s.writes();
    const engine = { ...s.engine(), takeLock: () => () => undefined };
    const locks = lockRun(engine, claim!.owner, 0);
    locks.groups([16]);
    await assert.rejects(giveBack(engine, claim!, locks), { name: 'Error', message: /without its lock$/ });
    assert.deepEqual(onlyParameter(s), []);
  });
});
