import { readPolicyFile, readPolicyList } from '../../observe/frequency.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';

/** How fast CPUs run, by their policies. One whose CPUs are all offline does not say, and is not there. */
export const readFrequency: Reader<'frequency'> = (host, keys) =>
  Promise.resolve(
    new Map(
      keys.flatMap((key): [string, SeenOf<'frequency'>][] => {
        const governor = readPolicyFile(host, key, 'scaling_governor');
        if (governor === undefined) return [];
        const epp = readPolicyFile(host, key, 'energy_performance_preference');
        const facts = {
          driver: readPolicyFile(host, key, 'scaling_driver') ?? '',
          offered: readPolicyList(host, key, 'scaling_available_governors'),
          // amd-pstate.c:show_energy_performance_preference answers EINVAL for one that the firmware chose and that has no name.
          hidden:
            epp === undefined &&
            host.status(sysfs.frequencyPolicy(key, 'energy_performance_preference')) !== undefined,
        };
        return [[key, { state: { governor, epp: epp ?? '' }, facts }]];
      }),
    ),
  );
