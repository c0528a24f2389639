import { advice } from '../../hint.ts';
import type { Governor } from '../../pci/frequency.ts';
import type { Step } from '../../steps/step.ts';
import type { KindOf, Refusal, SeenOf, Wish } from '../kind.ts';

/**
 * How fast the cores of a guest run: the governor of their frequency policy, and where its driver has one the
 * energy-performance preference (EPP), which goes with the governor `performance` and is left alone with any other.
 *
 * The drivers intel_pstate and amd_pstate in active mode set the EPP themselves as their governor changes, and allow no
 * other than `performance` with the governor of that name (EBUSY; drivers/cpufreq/intel_pstate.c and amd-pstate.c:
 * store_energy_performance_preference); Intel's brings an earlier one back afterwards, AMD's leaves it at that. So the
 * governor is written first, and the EPP after every change of it.
 */
export const frequency: KindOf<'frequency'> = {
  stage: 'tune',
  changesDevices: false,
  attributes: ['governor', 'energy-preference'],
  lock: () => 'CPU frequency',
  target: ({ governor, epp }, [wish]) => ({
    governor: wish?.governor ?? governor,
    epp: wish?.governor === 'performance' && epp !== '' ? 'performance' : epp,
  }),
  conflict: ({ wish, others }) => {
    const other = others.find((each) => each.wish.governor !== wish.governor);
    return (
      other && {
        reason: `${other.owner} has the governor ${other.wish.governor} there, and this one wants ${wish.governor}`,
        hints: [
          advice(
            'end that one first, give both the same governor, or pin them to CPUs of different policies',
          ),
        ],
      }
    );
  },
  guard: ({ seen, to }) => [...notOffered(seen, to.governor), ...withoutWayBack(seen)],
  steps: ({ key, seen, to }) => {
    const changes = seen.state.governor !== to.governor;
    const governor: readonly Step[] = changes
      ? [{ kind: 'set', attribute: 'governor', key, to: to.governor }]
      : [];
    const preference: readonly Step[] =
      to.epp !== '' && (changes || seen.state.epp !== to.epp)
        ? [{ kind: 'set', attribute: 'energy-preference', key, to: to.epp }]
        : [];
    return [...governor, ...preference];
  },
  subject: (key) => `CPU frequency of ${key}`,
  words: (_key, state) => stateWords(state),
};

/** What a guest with this governor wants of the policies of its CPUs. */
export function frequencyWishes(
  governor: Governor,
  policies: readonly string[],
): readonly Wish<'frequency'>[] {
  return policies.map((key) => ({ kind: 'frequency', key, wish: { governor } }));
}

/** Of a wish as well, which has no preference of its own. */
function stateWords({ governor, epp = '' }: { readonly governor: string; readonly epp?: string }): string {
  return epp === '' ? governor : `${governor} (EPP ${epp})`;
}

function notOffered(
  { facts: { driver, offered } }: SeenOf<'frequency'>,
  governor: string,
): readonly Refusal[] {
  if (offered.includes(governor)) return [];
  return [
    {
      reason: `the driver ${driver} offers no governor ${governor}, but ${offered.join(', ')}`,
      hints: [
        advice(
          `set governor to one of these in the configuration, or load it if it is a module: modprobe cpufreq_${governor}`,
        ),
      ],
    },
  ];
}

/** What could not come back. */
function withoutWayBack({ state, facts }: SeenOf<'frequency'>): readonly Refusal[] {
  if (state.governor === 'userspace') {
    return [
      {
        reason: 'its governor is userspace, and the speed that somebody has set by it could not come back',
        hints: [advice('choose another governor first, or end the program that sets the speed')],
      },
    ];
  }
  if (!facts.hidden) return [];
  return [
    {
      reason: 'its energy-performance preference cannot be read, and so could not come back',
      hints: [advice('write one of energy_performance_available_preferences to it, then it can be')],
    },
  ];
}
