import assert from 'node:assert/strict';
import type { CpufreqSpec } from '../../simulator/spec.ts';
import type { DefinedDomain } from '../../src/domain/domain.ts';
import type { Governor } from '../../src/pci/frequency.ts';
import { dieAtEachCall, failureOf, guest, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:03:00.0';
const AUDIO = '0000:03:00.1';
const POLICIES = '/sys/devices/system/cpu/cpufreq';

/** Four cores of two CPUs each. */
const amd: CpufreqSpec = {
  driver: 'amd-pstate-epp',
  policies: 4,
  cpus: 2,
  governors: ['performance', 'powersave'],
  governor: 'powersave',
  epp: 'balance_performance',
};
/** The same without a driver that has a preference. */
const acpi: CpufreqSpec = {
  driver: 'acpi-cpufreq',
  policies: 4,
  cpus: 2,
  governors: ['conservative', 'ondemand', 'userspace', 'powersave', 'performance', 'schedutil'],
  governor: 'schedutil',
};
/** With a preference that is nobody's but the writer's. */
const passive: CpufreqSpec = { ...amd, driver: 'intel_cpufreq', governors: acpi.governors };

describe('the governor of a guest', () => {
  const open = scenarios();

  function machine(governor: Governor, cpufreq: CpufreqSpec | 'none' = amd): Scenario {
    const on = open({ machine: cpufreq === 'none' ? {} : { cpufreq }, config: { governor } });
    on.hasOwnConfig = true;
    return on;
  }

  const pinned = (name: string, ...cpus: readonly number[]): DefinedDomain => ({ ...guest(name), cpus });
  const state = (on: Scenario, cpu: number): string | undefined => on.fact(`frequency policy${cpu}`);
  const states = (on: Scenario): readonly (string | undefined)[] => [0, 2, 4, 6].map((cpu) => state(on, cpu));
  const BEFORE = 'powersave balance_performance';
  const FAST = 'performance performance';

  it('is that of its cores while it runs, and as before when it is off', async () => {
    const on = machine('performance');
    await on.prepare(pinned('a', 2, 5));
    assert.deepEqual(states(on), [BEFORE, FAST, FAST, BEFORE]);
    assert.deepEqual(on.writes(), [
      `${POLICIES}/policy2/scaling_governor < performance`,
      `${POLICIES}/policy4/scaling_governor < performance`,
    ]);
    await on.release('a');
    assert.deepEqual(on.writes(), [
      `${POLICIES}/policy4/scaling_governor < powersave`,
      `${POLICIES}/policy4/energy_performance_preference < balance_performance`,
      `${POLICIES}/policy2/scaling_governor < powersave`,
      `${POLICIES}/policy2/energy_performance_preference < balance_performance`,
    ]);
    on.nothingDiffers();
  });

  it('is that of all cores where the guest is pinned to none', async () => {
    const on = machine('performance', acpi);
    await on.prepare(guest('a'));
    assert.deepEqual(states(on), Array(4).fill('performance'));
    await on.release('a');
    on.nothingDiffers();
  });

  it('goes with the devices of a guest that has some', async () => {
    const on = machine('performance');
    await on.prepare({ ...guest('a', GPU, AUDIO), cpus: [0] });
    assert.deepEqual([on.driver(GPU), state(on, 0)], ['vfio-pci', FAST]);
    await on.release('a');
    on.nothingDiffers();
  });

  it('needs no write of the preference where the driver sees to it', async () => {
    const on = machine('performance', { ...amd, driver: 'intel_pstate' });
    await on.prepare(pinned('a', 0));
    assert.equal(state(on, 0), FAST);
    await on.release('a');
    assert.equal(on.writes().length, 2);
    on.nothingDiffers();
  });

  it('takes the preference along where the driver leaves that to others', async () => {
    const on = machine('performance', passive);
    await on.prepare(pinned('a', 0));
    assert.equal(state(on, 0), FAST);
    await on.release('a');
    on.nothingDiffers();
  });

  it('leaves the preference as it is with any other, whatever the driver makes of it', async () => {
    const on = machine('powersave', {
      ...amd,
      driver: 'intel_pstate',
      governor: 'performance',
      epp: 'performance',
    });
    await on.byHand(`${POLICIES}/policy0/scaling_governor`, 'powersave');
    await on.byHand(`${POLICIES}/policy0/energy_performance_preference`, 'power');
    await on.byHand(`${POLICIES}/policy0/scaling_governor`, 'performance');
    await on.prepare(pinned('a', 0));
    assert.equal(state(on, 0), 'powersave performance');
    await on.release('a');
    on.nothingDiffers();
  });

  it('is held although there is nothing to change', async () => {
    const on = machine('performance', { ...amd, governor: 'performance', epp: 'performance' });
    await on.prepare(pinned('a', 0));
    assert.deepEqual(on.writes(), []);
    assert.deepEqual(
      on.claims().flatMap(({ holds }) => holds),
      [
        {
          kind: 'frequency',
          key: 'policy0',
          original: { governor: 'performance', epp: 'performance' },
          wish: { governor: 'performance' },
        },
      ],
    );
    await on.release('a');
    on.nothingDiffers();
  });

  it('stays until the last guest on the core is gone', async () => {
    const on = machine('performance');
    await on.prepare(pinned('a', 0, 2));
    await on.prepare(pinned('b', 1));
    await on.release('a');
    assert.deepEqual(states(on).slice(0, 2), [FAST, BEFORE]);
    await on.release('b');
    on.nothingDiffers();
  });

  it('is the same for two guests on one core, or the second one is refused', async () => {
    const on = machine('performance');
    await on.prepare(pinned('a', 0));
    on.config = { ...on.config, governor: 'powersave' };
    const { code, message } = await failureOf(on.prepare(pinned('b', 1, 2)));
    assert.equal(code, 'VH_REFUSED');
    assert.match(
      message,
      /^guest "b" cannot have CPU frequency of policy0: guest "a" has the governor performance there, and this one wants powersave$/,
    );
    assert.deepEqual(states(on).slice(0, 2), [FAST, BEFORE]);
    await on.prepare(pinned('b', 2));
    for (const name of ['a', 'b']) await on.release(name);
    on.nothingDiffers();
  });

  it('is one that the host offers', async () => {
    const on = machine('schedutil');
    const { message } = await failureOf(on.prepare(pinned('a', 0)));
    assert.match(
      message,
      /^guest "a" cannot have CPU frequency of policy0: the driver amd-pstate-epp offers no governor schedutil, but performance, powersave$/,
    );
    assert.deepEqual(on.writes(), []);
    on.nothingDiffers();
  });

  it('is nothing on a host that does not set the frequency of its CPUs', async () => {
    const on = machine('performance', 'none');
    await on.prepare(guest('a'));
    assert.deepEqual([on.writes(), on.claims()], [[], []]);
  });

  it('is not put in place of a speed that somebody has set', async () => {
    const on = machine('performance', { ...acpi, governor: 'userspace' });
    const { message } = await failureOf(on.prepare(pinned('a', 0)));
    assert.match(
      message,
      /its governor is userspace, and the speed that somebody has set by it could not come back$/,
    );
    on.nothingDiffers();
  });

  it('is not put in place of a preference that cannot be read', async () => {
    const on = machine('performance');
    on.wrapHost = (host) => ({
      ...host,
      read: (path) => (path.endsWith('/energy_performance_preference') ? undefined : host.read(path)),
    });
    const { message } = await failureOf(on.prepare(pinned('a', 0)));
    assert.match(message, /its energy-performance preference cannot be read, and so could not come back$/);
    on.nothingDiffers();
  });

  for (const [what, path] of [
    ['governor', '*/policy2/scaling_governor'],
    ['preference', '*/policy2/energy_performance_preference'],
  ] as const) {
    it(`that cannot be set leaves everything as it was: a ${what} that the kernel refuses`, async () => {
      const on = machine('performance', passive);
      on.fault({ kind: 'fail', errno: 'EBUSY' }, { path });
      const { message } = await failureOf(on.prepare(pinned('a', 0, 2)));
      assert.match(
        message,
        /^cannot set .* of CPU frequency policy2 to performance: .*everything is as it was$/,
      );
      on.nothingDiffers();
    });
  }

  it('that the kernel has not taken although it says so is found', async () => {
    const on = machine('performance');
    on.fault({ kind: 'lie' }, { path: '*/scaling_governor' });
    const { message } = await failureOf(on.prepare(pinned('a', 0)));
    assert.match(message, /scaling_governor reads "powersave" afterwards/);
    on.nothingDiffers();
  });

  it('that somebody else has chosen meanwhile stays', async () => {
    const on = machine('performance', acpi);
    await on.prepare(pinned('a', 0));
    await on.byHand(`${POLICIES}/policy0/scaling_governor`, 'ondemand');
    await on.release('a');
    assert.equal(state(on, 0), 'ondemand');
    assert.ok(on.log.some(({ message }) => message.includes('somebody else has made it ondemand')));
    assert.deepEqual(on.claims(), []);
  });

  it('is as before after a death at any call', async () => {
    assert.equal(await dieAtEachCall(() => machine('performance', passive), pinned('a', 0, 2)), 8);
  });
});
