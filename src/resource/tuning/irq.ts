import { commonCpus, cpuList, cpuWords, type CpuList } from '../../pci/cpu-list.ts';
import { cpuMask, DEFAULT_IRQ } from '../../pci/irq.ts';
import type { KindOf, Wish } from '../kind.ts';

/** The unit that moves interrupts back. */
export const IRQBALANCE = 'irqbalance.service';

/**
 * Where an interrupt of the host may go while guests have CPUs to themselves: to those of its CPUs that are left to the host,
 * and where none of them is, to all that are. What new interrupts begin with goes along, as those of a guest's own devices
 * begin once the guest runs.
 *
 * Interrupts move: drivers, irqbalance and people set them as they see fit. So a start moves each from wherever it is; a way
 * back still leaves what somebody else has chosen meanwhile.
 */
export const irq: KindOf<'irq'> = {
  stage: 'tune',
  changesDevices: false,
  attributes: ['irq-affinity', 'default-irq-affinity'],
  overrules: true,
  comesAndGoes: true,
  // A kernel that does not move one says so to the write alone, which is read back; asking again would not end.
  isBlind: true,
  lock: () => 'CPU isolation',
  target: ({ cpus }, wishes) => {
    const [first, ...rest] = wishes.map(({ keeps }) => keeps);
    if (first === undefined) return { cpus };
    const left = commonCpus(first, ...rest);
    const own = commonCpus(cpus, left);
    return { cpus: own === '' ? left : own };
  },
  isUsual: ({ state, facts }, original) => facts.balanced || state.cpus === original.cpus,
  notes: ({ key, seen, wish }, changes) =>
    key === DEFAULT_IRQ &&
    wish !== undefined &&
    seen.facts.balanced &&
    !changes.some((change) => change.kind === 'unit' && change.key === IRQBALANCE)
      ? [
          `irqbalance runs, and moves interrupts as it likes; services: {stop: [${IRQBALANCE}]} stops it for the time`,
        ]
      : [],
  steps: ({ key, seen, to }) => {
    if (seen.state.cpus === to.cpus) return [];
    return key === DEFAULT_IRQ
      ? [{ kind: 'set', attribute: 'default-irq-affinity', key, to: cpuMask(to.cpus) }]
      : [{ kind: 'set', attribute: 'irq-affinity', key, to: to.cpus }];
  },
  subject: (key) => (key === DEFAULT_IRQ ? 'affinity of new interrupts' : `affinity of interrupt ${key}`),
  subjects: (keys) => `affinity of interrupts ${cpuList(keys.map(Number))}`,
  words: (_key, state) => stateWords(state),
};

/** Of a wish as well. */
function stateWords({ cpus = '', keeps = cpus }: Partial<Record<'cpus' | 'keeps', CpuList>>): string {
  return cpuWords(keeps);
}

/** That interrupts of the host go where it is left CPUs. */
export function irqWishes(keys: readonly string[], keeps: CpuList): readonly Wish<'irq'>[] {
  return keys.map((key) => ({ kind: 'irq', key, wish: { keeps } }));
}
