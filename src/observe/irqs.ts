import type { Host } from '../host/host.ts';
import { cpuList, parseCpuList, type CpuList } from '../pci/cpu-list.ts';
import { cpusOfMask, DEFAULT_IRQ, isIrqKey } from '../pci/irq.ts';
import { sysfs } from '../pci/sysfs.ts';

/**
 * The interrupts that somebody handles and whose affinity can be set, in the order of their numbers, with what new ones
 * begin with in front. Since Linux 6.12 the file of one that cannot be moved cannot be written to
 * (kernel/irq/proc.c:register_irq_proc); before, only a write tells.
 */
export function movableIrqs(host: Host): readonly string[] {
  const numbers = (host.list(sysfs.irqs) ?? []).filter((name) => name !== DEFAULT_IRQ && isIrqKey(name));
  const movable = numbers.filter((irq) => {
    const mode = host.status(sysfs.irqAffinity(irq))?.mode;
    // One that nobody handles has no name of a handler there; a kernel without this file does not say.
    const isIdle = host.read(sysfs.irqActions(irq))?.trim() === '';
    return mode !== undefined && (mode & 0o200) !== 0 && !isIdle;
  });
  return [DEFAULT_IRQ, ...movable.sort((a, b) => Number(a) - Number(b))];
}

/** Where an interrupt may go; undefined: it is gone, or goes nowhere. */
export function readIrqAffinity(host: Host, key: string): CpuList | undefined {
  const isDefault = key === DEFAULT_IRQ;
  const text = host.read(isDefault ? sysfs.defaultIrqAffinity : sysfs.irqAffinity(key));
  if (text === undefined) return undefined;
  const list = isDefault ? cpusOfMask(text) : cpuList(parseCpuList(text) ?? []);
  return list === '' ? undefined : list;
}

/** Whether irqbalance runs, which moves interrupts as it sees fit. Known by its control group; with cgroup v1 it is not. */
export function isBalanced(host: Host): boolean {
  return host.list(`${sysfs.systemUnits}/irqbalance.service`) !== undefined;
}
