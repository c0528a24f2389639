import { cpuList, parseCpuList } from '../src/pci/cpu-list.ts';
import { hostSlices } from '../src/pci/slice.ts';
import { refused, succeeded, type ProgramRun } from './programs.ts';
import type { CpusSpec, MachineSpec } from './spec.ts';
import type { MachineState, SliceRun } from './state.ts';
import { directory, text, type Directory, type Node } from './tree.ts';

/** The slices of a machine that has just booted, none of them confined; none where nothing is known of its CPUs. */
export function slicesAtBoot({ cpus }: Pick<MachineSpec, 'cpus'>): Record<string, SliceRun> {
  if (!cpus) return {};
  return Object.fromEntries(hostSlices.map((name) => [name, { allowed: '', kernel: '' }]));
}

/**
 * `systemctl set-property --runtime -- SLICE AllowedCPUs=LIST`. An empty list is what systemd says from then on, while the
 * control group keeps what it had (systemd issue 43846). Without cgroup v2 nothing comes of it at all.
 */
export function setProperty(
  state: MachineState,
  [name = '', assignment = '']: readonly string[],
): ProgramRun {
  const slice = state.slices[name];
  if (!slice) return refused(1, `Failed to set unit properties on ${name}: Unit ${name} not found.`);
  const [property = '', value = ''] = assignment.split('=');
  if (property !== 'AllowedCPUs') return refused(1, `Unknown assignment: ${assignment}`);
  const cpus = parseCpuList(value);
  if (!cpus) return refused(1, `Failed to parse AllowedCPUs= value: ${value}`);
  slice.allowed = cpuList(cpus);
  if (cpus.length > 0 && state.spec.cpus?.hierarchy === 'v2') slice.kernel = slice.allowed;
  return succeeded();
}

/** What `systemctl show` says of them: ranges with blanks in between (systemctl-show.c:print_property). */
export function sliceParagraph(state: MachineState, name: string): string {
  const { allowed } = state.slices[name] ?? { allowed: '' };
  const words = (list: string): string => list.replaceAll(',', ' ');
  return `AllowedCPUs=${words(allowed)}\nEffectiveCPUs=${words(effectiveCpus(state, name))}\n`;
}

/** Where its processes may run; empty where the kernel does not say, since nobody confines anything. */
export function effectiveCpus({ spec: { cpus }, slices }: MachineState, name: string): string {
  if (!cpus || Object.values(slices).every(({ kernel }) => kernel === '')) return '';
  const online = onlineCpus(cpus);
  const own = parseCpuList(slices[name]?.kernel ?? '') ?? [];
  const some = online.filter((cpu) => own.includes(cpu));
  // A group without a CPU that is online has those of the one above (kernel/cgroup/cpuset.c:update_cpumasks_hier).
  return cpuList(some.length > 0 ? some : online);
}

/** Files of /sys/devices/system/cpu; none where nothing is known of the CPUs. */
export function cpuLists({ spec: { cpus } }: MachineState): Record<string, Node> {
  if (!cpus) return {};
  const all = Array.from({ length: cpus.count }, (_, cpu) => cpu);
  return {
    present: text(() => `${cpuList(all)}\n`),
    possible: text(() => `${cpuList(all)}\n`),
    online: text(() => `${cpuList(onlineCpus(cpus))}\n`),
  };
}

/** /sys/fs/cgroup, as far as this program looks at it. */
export function controlGroups({ spec: { cpus }, units }: MachineState): Directory | undefined {
  if (cpus?.hierarchy !== 'v2') return undefined;
  const running = Object.entries(units).filter(
    ([key, { active }]) => active === 'active' && !key.includes(' '),
  );
  return directory({
    'cgroup.controllers': text(() => 'cpuset cpu io memory hugetlb pids rdma misc\n'),
    'cpuset.cpus.effective': text(() => `${cpuList(onlineCpus(cpus))}\n`),
    'system.slice': directory(Object.fromEntries(running.map(([key]) => [key, directory({})]))),
  });
}

/** CPUs that are online, in ascending order. */
export function onlineCpus({ count, offline }: CpusSpec): readonly number[] {
  return Array.from({ length: count }, (_, cpu) => cpu).filter((cpu) => !offline.includes(cpu));
}
