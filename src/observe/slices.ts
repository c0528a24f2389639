import { VfioHookError } from '../errors.ts';
import { advice, command } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { cpuList, parseCpuList, type CpuList } from '../pci/cpu-list.ts';
import type { HostSlice } from '../pci/slice.ts';
import { sysfs } from '../pci/sysfs.ts';
import { quoteName } from '../text.ts';
import { showUnits } from './systemctl.ts';

/** What systemd says of the CPUs of a slice. */
export interface SliceCpus {
  /** Its AllowedCPUs=; empty: any. */
  readonly allowed: CpuList;
  /** What the kernel makes of it (EffectiveCPUs=); empty: it does not say. */
  readonly effective: CpuList;
}

/** Whether systemd can confine slices here: it does so by the controller cpuset of cgroup v2 alone (systemd.resource-control(5)). */
export function confinesSlices(host: Host): boolean {
  return (host.read(sysfs.controllers) ?? '').split(/\s+/).includes('cpuset');
}

/**
 * The CPUs of slices, by their names; one question for all of them. Throws VH_STUCK when systemd does not answer in time,
 * VH_INSTALLATION without it, or when it is older than 244, which is the first to know AllowedCPUs=.
 */
export async function readSlices(
  host: Host,
  slices: readonly HostSlice[],
  deadlineMs: number,
): Promise<ReadonlyMap<HostSlice, SliceCpus>> {
  const shown = await showUnits(host, slices, ['AllowedCPUs', 'EffectiveCPUs'], { deadlineMs });
  switch (shown.kind) {
    case 'stuck':
      throw new VfioHookError('VH_STUCK', `systemd does not say which CPUs ${slices.join(', ')} may have`, {
        hints: [command('systemctl list-jobs')],
      });
    case 'refused':
      throw unable(shown.said);
    case 'shown':
      return new Map(
        slices.map((slice, index): [HostSlice, SliceCpus] => {
          const value = shown.units[index];
          const allowed = value?.('AllowedCPUs');
          if (allowed === undefined) throw unable('it knows no AllowedCPUs=, as before version 244');
          return [slice, { allowed: listOf(allowed), effective: listOf(value?.('EffectiveCPUs') ?? '') }];
        }),
      );
  }
}

function listOf(text: string): CpuList {
  const cpus = parseCpuList(text);
  if (!cpus) throw unable(`it says ${quoteName(text.slice(0, 200))}, which is no list of CPUs`);
  return cpuList(cpus);
}

function unable(why: string): VfioHookError {
  return new VfioHookError(
    'VH_INSTALLATION',
    `systemd does not say which CPUs the host's own processes may have: ${why}`,
    { hints: [advice('cpus of the configuration needs a host that systemd runs')] },
  );
}
