import type { Host } from '../../host/host.ts';
import {
  creatableTypes,
  openVgpu,
  vgpuFunction,
  vgpuFunctions,
  vgpuManager,
  type VgpuFunction,
} from '../../observe/vgpu.ts';
import { parsePciAddress } from '../../pci/address.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';
import { textOf } from './types.ts';

/**
 * What virtual functions of NVIDIA's own framework are, and could be. One that is something lists nothing: then a free
 * one of its card tells the names. Throws VH_STUCK when the driver does not answer in time.
 */
export const readVgpus: Reader<'vgpu'> = async (host, keys, deadlineMs) => {
  const seen = new Map<string, SeenOf<'vgpu'>>();
  for (const key of keys) {
    const address = parsePciAddress(key);
    const there = address && vgpuFunction(host, address);
    if (there) seen.set(key, await seenOf(host, there, deadlineMs));
  }
  return seen;
};

async function seenOf(host: Host, own: VgpuFunction, deadlineMs: number): Promise<SeenOf<'vgpu'>> {
  const others = vgpuFunctions(host, own.physical).filter(({ address }) => address !== own.address);
  const free = own.type === 0 ? own : others.find(({ type }) => type === 0);
  const offered = free ? await creatableTypes(host, free.address, deadlineMs) : [];
  return {
    state: { type: own.type },
    facts: {
      physical: own.physical,
      creatable: textOf(own.type === 0 ? offered : []),
      known: textOf(offered),
      taken: others
        .filter(({ type }) => type !== 0)
        .map(({ address, type }) => `${address} ${type}`)
        .join('\n'),
      open: openVgpu(host, own.address) ?? '',
      expected: false,
      unmanaged: vgpuManager(host) === 'stopped',
    },
  };
}
