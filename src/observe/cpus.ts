import type { Host } from '../host/host.ts';
import { parseCpuList, cpuList, type CpuList } from '../pci/cpu-list.ts';
import { sysfs } from '../pci/sysfs.ts';

/**
 * The CPUs that are in the host, whether they are online or not, or those that are online now
 * (Documentation/ABI/testing/sysfs-devices-system-cpu). Empty: the kernel does not say.
 */
export function hostCpuList(host: Host, which: 'present' | 'online'): CpuList {
  return cpuList(parseCpuList(host.read(sysfs.cpus(which)) ?? '') ?? []);
}
