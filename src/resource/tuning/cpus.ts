import type { GuestCpus } from '../../config/config.ts';
import type { Domain } from '../../domain/domain.ts';
import { VfioHookError } from '../../errors.ts';
import { advice } from '../../hint.ts';
import { commonCpus, cpusOf, cpuWords, type CpuList } from '../../pci/cpu-list.ts';
import { allowArguments, hostSlices, isHostSlice } from '../../pci/slice.ts';
import { quoteName } from '../../text.ts';
import type { Step } from '../../steps/step.ts';
import type { KindOf, Refusal, Wish } from '../kind.ts';

/**
 * The CPUs that the host's own processes may run on while guests have theirs to themselves: what systemd calls AllowedCPUs=
 * of its slices. Guests are in a slice of their own (machine.slice), which nobody touches.
 *
 * A slice that was not confined before gets all CPUs first and the empty list then: the empty one alone leaves the kernel's
 * control group confined, though systemd says that it is not (systemd issue 43846).
 */
export const cpus: KindOf<'cpus'> = {
  stage: 'tune',
  changesDevices: false,
  attributes: [],
  lock: () => 'CPU isolation',
  writes: (key, { path }) =>
    isHostSlice(key) && path.startsWith(['systemctl', ...allowArguments(key, '')].join(' ')),
  passing: ([wish]) => (wish ? { allowed: wish.all } : {}),
  target: ({ allowed }, wishes) => {
    const [first, ...rest] = wishes.map(({ keeps }) => keeps);
    if (first === undefined) return { allowed };
    return { allowed: allowed === '' ? commonCpus(first, ...rest) : commonCpus(allowed, first, ...rest) };
  },
  conflict: ({ original, wish, others, facts }) => {
    const { allowed } = cpus.target(original, [...others.map((other) => other.wish), wish]);
    return commonCpus(allowed, facts.online) === ''
      ? nothingLeft(
          original.allowed,
          others.map(({ owner }) => owner),
        )
      : undefined;
  },
  guard: ({ seen }) =>
    seen.facts.unified
      ? []
      : [
          {
            reason:
              'systemd can confine it only with the unified hierarchy of control groups (cgroup v2) and its controller cpuset, which this host has not',
            hints: [
              advice(
                'boot with systemd.unified_cgroup_hierarchy=1, or isolate CPUs by isolcpus= and without this',
              ),
            ],
          },
        ],
  steps: ({ key, seen, to }) => {
    if (!isHostSlice(key) || seen.state.allowed === to.allowed) return [];
    const set = (list: CpuList): Step => ({ kind: 'slice', key, to: list });
    const { present } = seen.facts;
    const isWhole = to.allowed !== '' || seen.state.allowed === present;
    return isWhole ? [set(to.allowed)] : [set(present), set('')];
  },
  subject: (key) => `CPUs of ${key}`,
  words: (_key, state) => stateWords(state),
};

/** Of a wish as well. */
function stateWords({
  allowed = '',
  keeps = allowed,
}: Partial<Record<'allowed' | 'keeps', CpuList>>): string {
  return keeps === '' ? 'any' : cpuWords(keeps);
}

function nothingLeft(original: CpuList, owners: readonly string[]): Refusal {
  const others = owners.length > 0 ? `, beside those of ${owners.join(', ')}` : '';
  const before = original === '' ? '' : `, which had ${cpuWords(original)} before`;
  return {
    reason: `the host would have no CPU left that is online${before}: the guest isolates all of them${others}`,
    hints: [
      advice(
        'leave the host at least one: cpus: {isolate: "2-7"} in the configuration, or other pins in the XML',
      ),
    ],
  };
}

/**
 * The CPUs that a guest is to have to itself. Throws VH_CONFIG where its XML is to say so and does not: a guest that may run
 * on all of them has none to itself.
 */
export function isolatedCpus({ isolate }: GuestCpus, { name, cpus: pinned }: Domain): readonly number[] {
  if (isolate !== 'auto') return cpusOf(isolate);
  if (pinned) return pinned;
  throw new VfioHookError(
    'VH_CONFIG',
    `the configuration isolates the CPUs of guest ${quoteName(name)}, and its XML pins it to none`,
    {
      hints: [
        advice('pin each virtual CPU: <cputune><vcpupin vcpu="0" cpuset="2"/>…, by: virsh edit'),
        advice('or name the CPUs in the configuration: cpus: {isolate: "2-7"}'),
      ],
    },
  );
}

/** What a guest wants that leaves these CPUs to the host, of all that it has. */
export function isolationWishes(keeps: CpuList, all: CpuList): readonly Wish<'cpus'>[] {
  return hostSlices.map((key) => ({ kind: 'cpus', key, wish: { keeps, all } }));
}
