import type { Config, GuestCpus } from '../config/config.ts';
import { mdevHostdevs, pciHostdevs, type Domain } from '../domain/domain.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { cpusWithout, type CpuList } from '../pci/cpu-list.ts';
import { poolKey } from '../pci/hugepages.ts';
import { attributesText, type Mdev, type MdevAttributes } from '../pci/mdev.ts';
import { promisedAddresses, type Routing } from '../pci/routing.ts';
import type { Wish } from './kind.ts';
import { displayWishes, type DisplayPlaces } from './display/wishes.ts';
import { nvidiaWishes, type NvidiaHost } from './nvidia/wishes.ts';
import { awakeWish, latencyWish, serviceWishes, type CanonicalUnit } from './services/wishes.ts';
import { cardWishes } from './sriov/card-wishes.ts';
import type { ProfilePlace } from './sriov/profile.ts';
import { isolatedCpus, isolationWishes } from './tuning/cpus.ts';
import { frequencyWishes } from './tuning/frequency.ts';
import { irqWishes } from './tuning/irq.ts';
import { vgpuWishes, type CardOf } from './vgpu/wishes.ts';

/** What a mediated device is to be made of. */
export type KnownMdev = Mdev & { readonly attributes: MdevAttributes };

/** Where on the host something is that the configuration is about. */
export interface Places {
  /** Where a card has virtual functions; undefined for a card that has none. */
  readonly routingOf: (card: PciAddress) => Routing | undefined;
  /** Where the driver of a graphics card deals out shares; undefined for one that does not. */
  readonly profileOf?: (card: PciAddress) => ProfilePlace | undefined;
  readonly vgpuCardOf?: CardOf;
  /** What a mediated device is that no configuration names: what mdevctl makes of it, or what it is. */
  readonly knownMdev?: (uuid: string) => KnownMdev | undefined;
  readonly canonicalUnit?: CanonicalUnit;
  /** What of the host's screen is on the guest's cards. */
  readonly display?: DisplayPlaces;
  /** What there is of NVIDIA's driver, where one of these is a card that is taken from it. */
  readonly nvidia?: (assigned: readonly PciAddress[]) => NvidiaHost | undefined;
  /** The frequency policies of these CPUs, or of all. */
  readonly policiesOf?: (cpus: readonly number[] | undefined) => readonly string[];
  /** All CPUs that are in the host. */
  readonly allCpus?: () => CpuList;
  /** The keys of interrupts that can be moved. */
  readonly movableIrqs?: () => readonly string[];
}

/** The part of a configuration that wishes come from. */
type WishfulConfig = Pick<Config, 'hugepages' | 'sriov'> &
  Partial<
    Pick<
      Config,
      'vgpu' | 'mdev' | 'services' | 'modules' | 'cpus' | 'governor' | 'latency' | 'sleep' | 'display'
    >
  >;

/**
 * What a guest needs besides its devices: what its configuration asks for, and of the host's cards those that it is
 * assigned a virtual function of, with what is set of that. Throws VH_CONFIG as {@link vgpuWishes} and
 * {@link isolatedCpus}.
 */
export function wishesOf(
  {
    hugepages,
    sriov,
    vgpu = [],
    mdev = [],
    services,
    modules = {},
    cpus,
    governor,
    latency,
    sleep,
    display,
  }: WishfulConfig,
  domain: Domain,
  places: Places,
): readonly Wish[] {
  const { vgpuCardOf = () => undefined, knownMdev = () => undefined, canonicalUnit = asNamed } = places;
  const { policiesOf = () => [], nvidia = () => undefined } = places;
  const assigned = pciHostdevs(domain);
  const addresses = assigned.map(({ address }) => address);
  const pages = hugepages ? pagesFor(hugepages, domain) : 0;
  const mediated = mdevHostdevs(domain).flatMap(({ uuid, model = 'vfio-pci' }): Wish[] => {
    const known = mdev.find((rule) => rule.uuid === uuid) ?? knownMdev(uuid);
    if (!known) return [];
    const { parent, type, attributes } = known;
    return [
      { kind: 'mdev', key: uuid, wish: { parent, type, attributes: attributesText(attributes), api: model } },
    ];
  });
  const screen = display && places.display ? displayWishes(display, places.display, canonicalUnit) : [];
  const isStopped = ({ key }: Wish): boolean => screen.some((wish) => wish.key === key);
  const units = (services ? serviceWishes(services, canonicalUnit) : []).filter((wish) => !isStopped(wish));
  const rules = { services: services?.nvidia ?? 'auto', modules: modules.nvidia ?? 'auto' } as const;
  const named = [...screen, ...units];
  return [
    // What a configuration names is as it says.
    ...nvidiaWishes(rules, nvidia(addresses)).filter((wish) => !named.some(isOf(wish))),
    ...named,
    ...(modules.unload === true && addresses.length > 0
      ? [{ kind: 'vfio-modules', key: 'vfio', wish: { loaded: true } } satisfies Wish]
      : []),
    ...[...new Set(modules.load ?? [])].map((key): Wish => ({ kind: 'module', key, wish: { loaded: true } })),
    ...(latency === undefined ? [] : [latencyWish(latency)]),
    ...(sleep === 'block' ? [awakeWish] : []),
    ...sriov.flatMap((card) => cardWishes(card, assigned, places)),
    ...vgpuWishes(vgpu, addresses, vgpuCardOf),
    ...mediated,
    ...(hugepages && pages > 0
      ? [{ kind: 'hugepages', key: poolKey(hugepages), wish: { pages } } satisfies Wish]
      : []),
    ...(cpus ? cpuWishes(cpus, domain, places) : []),
    ...(governor ? frequencyWishes(governor, policiesOf(domain.cpus)) : []),
  ];
}

/** Whether two wishes are about the same thing. */
function isOf({ kind, key }: Wish): (other: Wish) => boolean {
  return (other) => other.kind === kind && other.key === key;
}

function cpuWishes(
  cpus: GuestCpus,
  domain: Domain,
  { allCpus = () => '', movableIrqs = () => [] }: Places,
): readonly Wish[] {
  const all = allCpus();
  const keeps = cpusWithout(all, isolatedCpus(cpus, domain));
  return [...isolationWishes(keeps, all), ...(cpus.irqs ? irqWishes(movableIrqs(), keeps) : [])];
}

const asNamed: CanonicalUnit = (unit) => unit;

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

/** Where the XML does not say a size, it is taken for the one that the configuration has. */
function pagesFor({ sizeKb, count }: NonNullable<Config['hugepages']>, { hugepages = [] }: Domain): number {
  if (count !== 'auto') return count;
  const bytes = sizeKb * 1024;
  return hugepages
    .filter(({ size }) => size === undefined || size === bytes)
    .reduce((pages, need) => pages + Math.ceil(need.bytes / bytes), 0);
}
