import type { Host } from '../host/host.ts';
import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import { nvidiaMinor } from './uses/holders.ts';

/** A part of an NVIDIA card in MIG mode. */
export interface GpuInstance {
  readonly id: number;
  /** How many compute instances it is cut into: without one, nothing runs on it. */
  readonly computeInstances: number;
}

/**
 * The GPU instances of a card, by their number. The driver has a directory for each, for their users to open a file in;
 * the directory around them is there on every card, so that a card in MIG mode without instances looks like one that is
 * in no such mode (src/nvidia/arch/nvalloc/unix/src/os.c:osRmCapRegisterGpu, osRmCapRegisterSmcPartition). Throws VH_STUCK
 * as {@link nvidiaMinor}.
 */
export async function gpuInstances(
  host: Host,
  card: PciAddress,
  deadlineMs: number,
): Promise<readonly GpuInstance[]> {
  const minor = await nvidiaMinor(host, card, deadlineMs);
  if (minor === undefined) return [];
  const place = sysfs.nvidiaInstances(minor);
  return numbers(host.list(place), 'gi').map((id) => ({
    id,
    computeInstances: numbers(host.list(`${place}/gi${id}`), 'ci').length,
  }));
}

function numbers(names: readonly string[] = [], prefix: 'gi' | 'ci'): readonly number[] {
  return names
    .filter((name) => name.startsWith(prefix) && /^\d{1,9}$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => a - b);
}
