import assert from 'node:assert/strict';
import { parseDescription } from '../../simulator/description.ts';
import type { Machine } from '../../simulator/machine.ts';
import type { CpufreqSpec } from '../../simulator/spec.ts';
import { answer, example } from './machines.ts';

const ROOT = '/sys/devices/system/cpu/cpufreq';
const spec: CpufreqSpec = {
  driver: 'intel_pstate',
  policies: 2,
  cpus: 2,
  governors: ['performance', 'powersave'],
  governor: 'powersave',
  epp: 'balance_performance',
};

const machineWith = (more: Partial<CpufreqSpec> = {}): Machine =>
  example('lab-q35', { cpufreq: { ...spec, ...more } });
const read = (machine: Machine, file: string, policy = 2): string | undefined =>
  machine.host().read(`${ROOT}/policy${policy}/${file}`);
const set = (machine: Machine, file: string, value: string): Promise<string> =>
  answer(machine.host(), `${ROOT}/policy2/${file}`, value);
const both = (machine: Machine): string =>
  `${read(machine, 'scaling_governor')?.trim()} ${read(machine, 'energy_performance_preference')?.trim()}`;

describe('the frequency of CPUs of a simulated machine', () => {
  it('is set by policies of some CPUs each', () => {
    const machine = machineWith();
    assert.deepEqual(machine.host().list(ROOT), ['policy0', 'policy2']);
    assert.equal(read(machine, 'affected_cpus'), '2 3\n');
    assert.equal(read(machine, 'scaling_driver'), 'intel_pstate\n');
    assert.equal(read(machine, 'scaling_available_governors'), 'performance powersave \n');
    assert.equal(both(machine), 'powersave balance_performance');
  });

  it('is as a description has it', () => {
    const text = 'name: x\ndevices: []\ncpufreq: { driver: d, policies: 4, governors: [a, b], governor: a }';
    assert.deepEqual(parseDescription(text, 'x.yaml').cpufreq, {
      driver: 'd',
      policies: 4,
      cpus: 1,
      governors: ['a', 'b'],
      governor: 'a',
    });
  });

  it('is not set where its description does not say so', () => {
    assert.equal(example('lab-q35').host().list('/sys/devices/system/cpu'), undefined);
    const machine = example('lab-q35', { cpufreq: { ...spec, driver: 'acpi-cpufreq' } });
    assert.ok(machine.host().list('/sys/devices/system/node'));
  });

  it('takes no governor that is not offered, and no preference that is none', async () => {
    const machine = machineWith();
    assert.equal(await set(machine, 'scaling_governor', 'schedutil'), 'EINVAL');
    assert.equal(await set(machine, 'energy_performance_preference', 'fast'), 'EINVAL');
    assert.equal(await set(machine, 'energy_performance_preference', 'power'), 'ok');
    assert.equal(both(machine), 'powersave power');
    assert.equal(read(machine, 'energy_performance_preference', 0), 'balance_performance\n');
  });

  it('has only the preference performance with the governor of that name, in active mode', async () => {
    const machine = machineWith();
    assert.equal(await set(machine, 'scaling_governor', 'performance'), 'ok');
    assert.equal(both(machine), 'performance performance');
    assert.equal(await set(machine, 'energy_performance_preference', 'power'), 'EBUSY');
    assert.equal(await set(machine, 'energy_performance_preference', 'performance'), 'ok');
  });

  it('has its preference back with another governor on Intel, and not on AMD', async () => {
    for (const [driver, expected] of [
      ['intel_pstate', 'powersave balance_performance'],
      ['amd-pstate-epp', 'powersave performance'],
    ] as const) {
      const machine = machineWith({ driver });
      await set(machine, 'scaling_governor', 'performance');
      await set(machine, 'scaling_governor', 'powersave');
      assert.equal(both(machine), expected);
    }
  });

  it('has a preference of its own in passive mode', async () => {
    const machine = machineWith({ driver: 'intel_cpufreq' });
    await set(machine, 'scaling_governor', 'performance');
    assert.equal(both(machine), 'performance balance_performance');
    assert.equal(await set(machine, 'energy_performance_preference', 'power'), 'ok');
  });

  it('is as described after the next boot', async () => {
    const machine = machineWith();
    await set(machine, 'scaling_governor', 'performance');
    machine.perform({ do: 'reboot' });
    assert.equal(both(machine), 'powersave balance_performance');
  });
});
