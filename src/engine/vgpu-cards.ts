import type { CardRule } from '../config/config.ts';
import type { Host } from '../host/host.ts';
import { vgpuFunction } from '../observe/vgpu.ts';
import { routingOf } from '../observe/virtual-functions.ts';
import type { PciAddress } from '../pci/address.ts';
import { countOf, promisedAddresses } from '../pci/routing.ts';

/**
 * The card of a virtual function that stays on NVIDIA's driver, also of one that is not there yet: then that of the
 * configuration that will have it.
 */
export function vgpuCardOf(
  host: Host,
  address: PciAddress,
  cards: readonly CardRule[],
): PciAddress | undefined {
  const there = vgpuFunction(host, address);
  if (there) return there.physical;
  return cards.find(({ pf, vfs }) => {
    const routing = routingOf(host, pf);
    return routing?.byProgram && promisedAddresses(pf, countOf(vfs, routing), routing).includes(address);
  })?.pf;
}
