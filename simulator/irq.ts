import { commonCpus, cpuList, parseCpuList } from '../src/pci/cpu-list.ts';
import { cpuMask, cpusOfMask, DEFAULT_IRQ } from '../src/pci/irq.ts';
import { profileOf } from './profile.ts';
import { onlineCpus } from './slices.ts';
import type { CpusSpec, IrqSpec } from './spec.ts';
import type { Device, Irq, MachineState } from './state.ts';
import { writtenName } from './text.ts';
import { directory, text, type Directory, type File, type Node } from './tree.ts';
import { done, failed, type Outcome } from './work.ts';

/** The interrupts of a machine that has just booted, but those of devices; undefined where nothing is known of its CPUs. */
export function irqsAtBoot({ cpus }: MachineState['spec']): MachineState['irqs'] {
  if (!cpus) return undefined;
  const all = cpuList(Array.from({ length: cpus.count }, (_, cpu) => cpu));
  const own = cpus.irqs.filter(({ device }) => device === undefined);
  return {
    default: all,
    each: Object.fromEntries(own.map((spec) => [spec.number, { cpus: spec.cpus ?? all }])),
  };
}

/**
 * A driver of the host takes the interrupts of its device: they begin where new ones do, and managed ones where the kernel has them
 * (kernel/irq/irqdesc.c:desc_smp_init).
 */
export function requestIrqs({ irqs, spec }: MachineState, device: Device): void {
  for (const { number, cpus } of irqsOf(spec.cpus, device)) {
    if (irqs) irqs.each[number] = { cpus: cpus ?? irqs.default };
  }
}

/** And they are gone with it. */
export function freeIrqs({ irqs, spec }: MachineState, device: Device): void {
  for (const { number } of irqsOf(spec.cpus, device)) {
    if (irqs) Reflect.deleteProperty(irqs.each, String(number));
  }
}

function irqsOf(cpus: CpusSpec | undefined, { spec }: Device): readonly IrqSpec[] {
  return (cpus?.irqs ?? []).filter(({ device }) => device === spec.address);
}

/** /proc/irq. */
export function irqDirectory(state: MachineState): Directory | undefined {
  const { irqs } = state;
  if (!irqs) return undefined;
  const online = onlineList(state);
  const each = Object.entries(irqs.each).map(([number, irq]): [string, Node] => [
    number,
    directory({
      smp_affinity_list: affinityFile(state, number, irq),
      effective_affinity_list: text(() => `${(parseCpuList(commonCpus(irq.cpus, online)) ?? [])[0] ?? 0}\n`),
    }),
  ]);
  return directory({
    ...Object.fromEntries(each),
    [`${DEFAULT_IRQ}_smp_affinity`]: {
      kind: 'file',
      text: () => `${padded(cpuMask(irqs.default), state.spec.cpus?.count ?? 1)}\n`,
      store: (data) => {
        const cpus = cpusOfMask(writtenName(data));
        if (cpus === undefined || commonCpus(cpus, online) === '') return failed('EINVAL');
        irqs.default = cpus;
        return done;
      },
    },
  });
}

/** /sys/kernel/irq, as far as it says who handles one. */
export function irqActions({ irqs, spec }: MachineState): Directory | undefined {
  if (!irqs) return undefined;
  const each = Object.keys(irqs.each).map((number): [string, Node] => {
    const own = spec.cpus?.irqs.find((irq) => String(irq.number) === number);
    return [number, directory({ actions: text(() => `${own?.name ?? ''}\n`) })];
  });
  return directory(Object.fromEntries(each));
}

/** kernel/irq/proc.c:write_irq_affinity. */
function affinityFile(state: MachineState, number: string, irq: Irq): File {
  const own = state.spec.cpus?.irqs.find((each) => String(each.number) === number);
  const { tellsFixedIrqs } = profileOf(state.spec.kernel);
  const store = (data: string): Outcome => {
    if (own?.managed) return failed(tellsFixedIrqs ? 'EPERM' : 'EIO');
    const cpus = parseCpuList(writtenName(data));
    if (!cpus || commonCpus(cpuList(cpus), onlineList(state)) === '') return failed('EINVAL');
    irq.cpus = cpuList(cpus);
    return done;
  };
  return {
    kind: 'file',
    text: () => `${irq.cpus}\n`,
    store,
    ...(own?.managed && tellsFixedIrqs && { mode: 0o444 }),
  };
}

function onlineList({ spec: { cpus } }: MachineState): string {
  return cpus ? cpuList(onlineCpus(cpus)) : '';
}

/** As many digits as the kernel has CPUs for (lib/vsprintf.c:bitmap_string). */
function padded(mask: string, count: number): string {
  const [first = '', ...rest] = mask.split(',');
  const digits = Math.ceil(Math.min(count, 32) / 4);
  return [first.padStart(rest.length === 0 ? digits : 1, '0'), ...rest].join(',');
}
