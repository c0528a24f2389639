import type { Claim } from '../claim/claim.ts';
import { VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { offeredTypes } from '../observe/vgpu.ts';
import type { PciAddress } from '../pci/address.ts';
import type { PciDevice } from '../pci/device.ts';
import type { VgpuType } from '../pci/vgpu.ts';
import { knownTypes } from '../resource/vgpu/types.ts';

/** The vGPU on a virtual function of NVIDIA's own framework. */
export interface NamedVgpu {
  /** Id of its type; 0: there is none. */
  readonly type: number;
  /** Absent: nothing on it, or nobody tells the name. */
  readonly name?: string;
}

/**
 * What lives on these devices, with names as far as a claim or a free function of the same card tells them. A driver that
 * does not answer in time keeps a listing from names, and from nothing else.
 */
export async function namedVgpus(
  host: Host,
  devices: readonly PciDevice[],
  claims: readonly Claim[],
  deadlineMs: number,
): Promise<ReadonlyMap<PciAddress, NamedVgpu>> {
  const claimed = knownTypes({ known: '' }, claims);
  const offered = new Map<PciAddress, readonly VgpuType[]>();
  const named = new Map<PciAddress, NamedVgpu>();
  for (const { address, physicalFunction: card, vgpuType: type } of devices) {
    if (type === undefined) continue;
    const isIt = ({ id }: VgpuType): boolean => id === type;
    if (type !== 0 && card !== undefined && !claimed.some(isIt) && !offered.has(card))
      offered.set(card, await offeredOrNone(host, card, deadlineMs));
    const found = [...claimed, ...((card && offered.get(card)) ?? [])].find(isIt);
    named.set(address, { type, ...(found && { name: found.name }) });
  }
  return named;
}

async function offeredOrNone(host: Host, card: PciAddress, deadlineMs: number): Promise<readonly VgpuType[]> {
  try {
    return await offeredTypes(host, card, deadlineMs);
  } catch (error) {
    if (error instanceof VfioHookError) return [];
    throw error;
  }
}
