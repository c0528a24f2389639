import type { Config } from '../config/config.ts';
import { pciHostdevs, type Domain } from '../domain/domain.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { poolKey } from '../pci/hugepages.ts';
import type { Wish } from './kind.ts';
import { promisedAddresses, type Routing } from './sriov/promised.ts';
import { vgpuWishes, type CardOf } from './vgpu/wishes.ts';

/**
 * What a guest needs besides its devices: what its configuration asks for, and of the host's cards those that it is
 * assigned a virtual function of. `routingOf` says where a card has them; undefined for a card that has none. Throws VH_CONFIG as {@link vgpuWishes}.
 */
export function wishesOf(
  { hugepages, sriov, vgpu = [] }: Pick<Config, 'hugepages' | 'sriov'> & Partial<Pick<Config, 'vgpu'>>,
  domain: Domain,
  routingOf: (card: PciAddress) => Routing | undefined,
  vgpuCardOf: CardOf = () => undefined,
): readonly Wish[] {
  const assigned = pciHostdevs(domain).map(({ address }) => address);
  const cards = sriov.flatMap(({ pf, vfs, autoprobe: wanted }): Wish[] => {
    const routing = routingOf(pf);
    const count = countOf(vfs, routing);
    const autoprobe = wanted || routing?.byProgram === true;
    const addresses = routing ? promisedAddresses(pf, count, routing) : [];
    const isNeeded = addresses.some((address) => assigned.includes(address));
    return isNeeded ? [{ kind: 'vfs', key: pf, wish: { count, autoprobe } }] : [];
  });
  const pages = hugepages ? pagesFor(hugepages, domain) : 0;
  return [
    ...cards,
    ...vgpuWishes(vgpu, assigned, vgpuCardOf),
    ...(hugepages && pages > 0
      ? [{ kind: 'hugepages', key: poolKey(hugepages), wish: { pages } } satisfies Wish]
      : []),
  ];
}

/** The virtual functions that wishes promise, whether they are there or not. */
export function promisedBy(
  wishes: readonly Wish[],
  routingOf: (card: PciAddress) => Routing | undefined,
): readonly PciAddress[] {
  return wishes.flatMap((wish) => {
    const card = wish.kind === 'vfs' ? parsePciAddress(wish.key) : undefined;
    const routing = card && routingOf(card);
    return routing && wish.kind === 'vfs' ? promisedAddresses(card, wish.wish.count, routing) : [];
  });
}

/** How many virtual functions a card has by its rule. */
export function countOf(vfs: number | 'all', routing: Routing | undefined): number {
  return vfs === 'all' ? (routing?.total ?? 0) : vfs;
}

/** Where the XML does not say a size, it is taken for the one that the configuration has. */
function pagesFor({ sizeKb, count }: NonNullable<Config['hugepages']>, { hugepages = [] }: Domain): number {
  if (count !== 'auto') return count;
  const bytes = sizeKb * 1024;
  return hugepages
    .filter(({ size }) => size === undefined || size === bytes)
    .reduce((pages, need) => pages + Math.ceil(need.bytes / bytes), 0);
}
