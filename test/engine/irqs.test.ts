import assert from 'node:assert/strict';
import type { CpusSpec, IrqSpec, KernelVersion } from '../../simulator/spec.ts';
import type { GuestCpus } from '../../src/config/config.ts';
import type { DefinedDomain } from '../../src/domain/domain.ts';
import { holdLines } from '../../src/cli/render/holds.ts';
import { decideStart } from '../../src/engine/plan-start.ts';
import { dieAtEachCall, failureOf, guest, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:03:00.0';
const AUDIO = '0000:03:00.1';

const irq = (number: number, more: Partial<IrqSpec> = {}): IrqSpec => ({
  number,
  name: `irq${number}`,
  managed: false,
  ...more,
});

/** One that goes everywhere, one that goes to a CPU of the guest alone, one of the host's CPUs, and one that nobody handles. */
const IRQS = [irq(24), irq(25, { cpus: '3' }), irq(26, { cpus: '0' }), irq(27, { name: '' })];

describe('interrupts, where a guest has CPUs to itself', () => {
  const open = scenarios();

  function machine(
    irqs: readonly IrqSpec[] = IRQS,
    more: {
      readonly kernel?: KernelVersion;
      readonly cpus?: Partial<CpusSpec>;
      readonly balanced?: true;
    } = {},
  ): Scenario {
    const cpus: GuestCpus = { isolate: 'auto', irqs: true };
    const on = open({
      machine: {
        ...(more.kernel && { kernel: more.kernel }),
        cpus: { count: 8, offline: [], hierarchy: 'v2', irqs, ...more.cpus },
        units: [{ name: 'irqbalance.service', active: more.balanced ? 'active' : 'inactive' }],
      },
      config: { cpus },
    });
    on.hasOwnConfig = true;
    return on;
  }

  const pinned = (name: string, ...cpus: readonly number[]): DefinedDomain => ({ ...guest(name), cpus });
  /** Those that come, and each that is there. */
  const state = (on: Scenario, ...numbers: readonly number[]): readonly (string | undefined)[] => [
    on.fact('new interrupts'),
    ...numbers.map((number) => on.fact(`interrupt ${number}`)),
  ];
  const moved = (on: Scenario): readonly string[] =>
    on.writes().filter((write) => write.startsWith('/proc/irq/'));
  const file = (number: number): string => `/proc/irq/${number}/smp_affinity_list`;
  /** What a start would do, as vfio-hook plan says it. */
  const planned = async (on: Scenario, domain: DefinedDomain): Promise<readonly string[]> => {
    const start = await decideStart(on.engine(), domain);
    return holdLines(start!.holds, { colour: false, columns: 200, unicode: true });
  };

  it('keep off them, and go where they went before afterwards', async () => {
    const on = machine();
    await on.prepare(pinned('a', 2, 3));
    assert.deepEqual(state(on, 24, 25, 26, 27), ['0-1,4-7', '0-1,4-7', '0-1,4-7', '0', '0-7']);
    assert.deepEqual(moved(on), [
      '/proc/irq/default_smp_affinity < f3',
      `${file(24)} < 0-1,4-7`,
      `${file(25)} < 0-1,4-7`,
    ]);
    await on.release('a');
    assert.deepEqual(moved(on), [
      `${file(25)} < 3`,
      `${file(24)} < 0-7`,
      '/proc/irq/default_smp_affinity < ff',
    ]);
    on.nothingDiffers();
  });

  it('stay where they are unless that is asked for', async () => {
    const on = machine();
    on.config = { ...on.config, cpus: { isolate: 'auto', irqs: false } };
    await on.prepare(pinned('a', 2, 3));
    assert.deepEqual(moved(on), []);
    await on.release('a');
    on.nothingDiffers();
  });

  it('keep off those of all guests, and come back with the last', async () => {
    const on = machine();
    await on.prepare(pinned('a', 2, 3));
    await on.prepare(pinned('b', 4));
    assert.deepEqual(state(on, 24, 25), ['0-1,5-7', '0-1,5-7', '0-1,5-7']);
    await on.release('a');
    assert.deepEqual(state(on, 24, 25), ['0-3,5-7', '0-3,5-7', '3']);
    await on.release('b');
    on.nothingDiffers();
  });

  for (const [kernel, says] of [
    ['6.12', 'since Linux 6.12 is not even tried'],
    ['6.1', 'is tried before that, and the answer noted'],
  ] as const) {
    it(`that the kernel moves by itself are no failure: ${says}`, async () => {
      const on = machine([irq(24), irq(25, { managed: true, cpus: '3' })], { kernel });
      await on.prepare(pinned('a', 3));
      assert.deepEqual(state(on, 24, 25), ['0-2,4-7', '0-2,4-7', '3']);
      const tried = moved(on).filter((write) => write.includes('/25/'));
      assert.deepEqual(tried, kernel === '6.12' ? [] : [`${file(25)} < 0-2,4-7 (EIO)`]);
      const noted = on.log.filter(({ result }) => result?.startsWith('left as it is: EIO'));
      assert.equal(noted.length, tried.length);
      await on.prepare(pinned('b', 4));
      await on.release('b');
      await on.release('a');
      assert.ok(!on.log.some(({ message }) => message.includes('somebody else')));
      on.nothingDiffers();
    });
  }

  it('of a device that the guest gets are gone meanwhile, and come back with it', async () => {
    const on = machine([irq(24), irq(60, { device: GPU })]);
    await on.prepare({ ...guest('a', GPU, AUDIO), cpus: [2] });
    assert.deepEqual(state(on, 24, 60), ['0-1,3-7', '0-1,3-7', undefined]);
    await on.release('a');
    assert.ok(!on.log.some(({ message }) => message.includes('not there any more')));
    on.nothingDiffers();
  });

  it('that are gone for good are nothing to speak of', async () => {
    const on = machine();
    await on.prepare(pinned('a', 2));
    on.machine.store.update((machineState) => {
      Reflect.deleteProperty(machineState.irqs!.each, '24');
    });
    await on.release('a');
    assert.deepEqual(on.claims(), []);
    assert.ok(!on.log.some(({ severity }) => severity === 'warning' || severity === 'err'));
  });

  it('that somebody else has moved meanwhile are moved by the next start, and left at the end', async () => {
    const on = machine();
    await on.prepare(pinned('a', 2));
    await on.byHand(file(24), '2');
    await on.prepare(pinned('b', 3));
    assert.deepEqual(state(on, 24), ['0-1,4-7', '0-1,4-7']);
    await on.byHand(file(24), '6');
    for (const name of ['a', 'b']) await on.release(name);
    assert.equal(on.fact('interrupt 24'), '6');
    assert.ok(
      on.log.some(({ message }) =>
        message.includes('affinity of interrupt 24: somebody else has made it CPU 6'),
      ),
    );
    assert.deepEqual(on.claims(), []);
  });

  it('are moved by irqbalance as it likes, which the plan says once, and the end does not', async () => {
    const on = machine(IRQS, { balanced: true });
    const notes = (lines: readonly string[]): readonly string[] =>
      lines.filter((line) => line.includes('note:'));
    assert.deepEqual(notes(await planned(on, pinned('a', 2))), [
      '  note: affinity of new interrupts: irqbalance runs, and moves interrupts as it likes; services: {stop: [irqbalance.service]} stops it for the time',
    ]);
    const services = { stop: [{ name: 'irqbalance.service' }], start: [] };
    const before = on.config;
    on.config = { ...before, services };
    assert.deepEqual(notes(await planned(on, pinned('a', 2))), []);
    on.config = before;
    await on.prepare(pinned('a', 2));
    await on.byHand(file(24), '6');
    await on.release('a');
    assert.ok(!on.log.some(({ message }) => message.includes('somebody else')));
    assert.deepEqual(on.claims(), []);
  });

  it('are one line of a plan where the same becomes of them', async () => {
    const on = machine([irq(24), irq(25), irq(26), irq(40), irq(41, { cpus: '0' })]);
    assert.deepEqual(
      (await planned(on, pinned('a', 2))).filter((line) => line.includes('interrupt')),
      [
        '  ~ affinity of new interrupts: CPUs 0-7 → CPUs 0-1,3-7',
        '  ~ affinity of interrupts 24-26,40: CPUs 0-7 → CPUs 0-1,3-7',
        '  = affinity of interrupt 41: CPUs 0-1,3-7, as there already',
      ],
    );
  });

  it('that do not fit leave everything as it was', async () => {
    const on = machine();
    on.fault({ kind: 'fail', errno: 'ENOSPC' }, { path: file(25) });
    const { message } = await failureOf(on.prepare(pinned('a', 2, 3)));
    assert.match(
      message,
      /^cannot set affinity of interrupt 25 to 0-1,4-7: ENOSPC \(these CPUs have no room for more interrupts: .*everything is as it was$/,
    );
    on.nothingDiffers();
  });

  it('that the kernel has not moved although it says so are found', async () => {
    const on = machine();
    on.fault({ kind: 'lie' }, { path: file(24) });
    const { message } = await failureOf(on.prepare(pinned('a', 2, 3)));
    assert.match(message, /smp_affinity_list reads "0-7" afterwards/);
    on.nothingDiffers();
  });

  it('are as before after a death at any call', async () => {
    assert.equal(await dieAtEachCall(() => machine(), pinned('a', 2, 3)), 15);
  });
});
