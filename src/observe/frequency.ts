import type { Host } from '../host/host.ts';
import { isPolicyName } from '../pci/frequency.ts';
import { sysfs, type PolicyFile } from '../pci/sysfs.ts';

/**
 * The frequency policies that some of these CPUs belong to, in the order of their numbers; without CPUs, all of them. One
 * whose CPUs are all offline tells nothing and takes nothing (drivers/cpufreq/cpufreq.c:show, store), so it is none.
 */
export function policiesOf(host: Host, cpus?: readonly number[]): readonly string[] {
  const names = (host.list(sysfs.frequencyPolicies) ?? []).filter(isPolicyName);
  return names
    .filter((name) => {
      const own = readPolicyList(host, name, 'affected_cpus').map(Number);
      return cpus ? own.some((cpu) => cpus.includes(cpu)) : own.length > 0;
    })
    .sort((a, b) => numberOf(a) - numberOf(b));
}

/** What a file of a policy says; undefined: it has none, or does not say. */
export function readPolicyFile(host: Host, policy: string, file: PolicyFile): string | undefined {
  return host.read(sysfs.frequencyPolicy(policy, file))?.trim();
}

/** Words of a file of a policy that is a list; none: there is no such file. */
export function readPolicyList(host: Host, policy: string, file: PolicyFile): readonly string[] {
  return (readPolicyFile(host, policy, file) ?? '').split(' ').filter(Boolean);
}

function numberOf(policy: string): number {
  return Number(policy.slice('policy'.length));
}
