import type { CpufreqSpec } from './spec.ts';
import type { FrequencyPolicy, MachineState } from './state.ts';
import { writtenName } from './text.ts';
import { directory, text, type Directory, type Node } from './tree.ts';
import { done, failed, type Outcome } from './work.ts';

/** Drivers that choose the speed themselves, and to which a governor is a hint: intel_pstate and amd_pstate in active mode. */
const ACTIVE: readonly string[] = ['intel_pstate', 'amd-pstate-epp'];

/** What a driver with an energy-performance preference takes for it (intel_pstate.c:energy_perf_strings). */
const PREFERENCES: readonly string[] = [
  'default',
  'performance',
  'balance_performance',
  'balance_power',
  'power',
];

/** The frequency policies of a machine that has just booted, by their names. */
export function policiesAtBoot({ cpufreq }: MachineState['spec']): Record<string, FrequencyPolicy> {
  if (!cpufreq) return {};
  return Object.fromEntries(
    Array.from({ length: cpufreq.policies }, (_, index): [string, FrequencyPolicy] => [
      `policy${index * cpufreq.cpus}`,
      {
        cpus: Array.from({ length: cpufreq.cpus }, (_each, cpu) => index * cpufreq.cpus + cpu),
        governor: cpufreq.governor,
        ...(cpufreq.epp !== undefined && { epp: cpufreq.epp, saved: cpufreq.epp }),
      },
    ]),
  );
}

/** /sys/devices/system/cpu/cpufreq; undefined where the kernel does not set the frequency of CPUs. */
export function frequencyDirectory({ spec: { cpufreq }, frequency }: MachineState): Directory | undefined {
  if (!cpufreq) return undefined;
  const policies = Object.entries(frequency).map(([name, policy]): [string, Node] => [
    name,
    policyDirectory(cpufreq, policy),
  ]);
  return directory(Object.fromEntries(policies));
}

function policyDirectory(spec: CpufreqSpec, policy: FrequencyPolicy): Directory {
  const cpus = text(() => `${policy.cpus.join(' ')}\n`);
  return directory({
    affected_cpus: cpus,
    related_cpus: cpus,
    scaling_driver: text(() => `${spec.driver}\n`),
    scaling_available_governors: text(() => `${spec.governors.join(' ')} \n`),
    scaling_governor: {
      kind: 'file',
      text: () => `${policy.governor}\n`,
      store: (data) => setGovernor(spec, policy, writtenName(data)),
    },
    ...(policy.epp !== undefined && {
      energy_performance_available_preferences: text(() => `${PREFERENCES.join(' ')} \n`),
      energy_performance_preference: {
        kind: 'file',
        text: () => `${policy.epp ?? ''}\n`,
        store: (data) => setPreference(spec, policy, writtenName(data)),
      },
    }),
  });
}

/**
 * drivers/cpufreq/cpufreq.c:store_scaling_governor. In active mode, the governor `performance` takes the preference along.
 * Intel's driver brings the one before back with the next governor (intel_pstate.c:intel_pstate_hwp_set); AMD's leaves it
 * (amd-pstate.c:amd_pstate_epp_update_limit).
 */
function setGovernor({ driver, governors }: CpufreqSpec, policy: FrequencyPolicy, to: string): Outcome {
  if (!governors.includes(to)) return failed('EINVAL');
  if (policy.governor === to) return done;
  policy.governor = to;
  if (policy.epp === undefined || !ACTIVE.includes(driver)) return done;
  if (to === 'performance') {
    policy.saved = policy.epp;
    policy.epp = 'performance';
  } else if (policy.saved !== undefined && driver === 'intel_pstate') policy.epp = policy.saved;
  return done;
}

/** intel_pstate.c and amd-pstate.c: store_energy_performance_preference. `default` is what the firmware has chosen. */
function setPreference(spec: CpufreqSpec, policy: FrequencyPolicy, to: string): Outcome {
  if (!PREFERENCES.includes(to)) return failed('EINVAL');
  const isFixed = policy.governor === 'performance' && ACTIVE.includes(spec.driver);
  if (isFixed && to !== 'performance') return failed('EBUSY');
  policy.epp = to === 'default' ? (spec.epp ?? to) : to;
  return done;
}
