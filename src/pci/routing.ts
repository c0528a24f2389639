import { pciAddress, pciAddressParts, type PciAddress } from './address.ts';

/** Where a card's virtual functions are. */
export interface Routing {
  /** Routing id of the first one relative to the physical function's, and from one to the next (SR-IOV capability). */
  readonly offset: number;
  readonly stride: number;
  /** How many it can have. */
  readonly total?: number;
  /** Its driver has its virtual functions, too, and makes all of them at once by a program of its own. */
  readonly byProgram?: true;
}

/**
 * The addresses of the first `count` virtual functions, in their order: the physical one's routing id plus offset plus
 * stride (drivers/pci/iov.c:pci_iov_virtfn_bus, pci_iov_virtfn_devfn). Some cards change both with the number of their
 * virtual functions, so it is a promise until they are there. Those beyond the last bus are left out.
 */
export function promisedAddresses(
  physical: PciAddress,
  count: number,
  { offset, stride }: Routing,
): readonly PciAddress[] {
  const { domain, bus, slot, function: fn } = pciAddressParts(physical);
  const own = (bus << 8) + (slot << 3) + fn;
  return Array.from({ length: count }, (_, index) => own + offset + stride * index).flatMap(
    (id) => pciAddress({ domain, bus: id >> 8, slot: (id >> 3) & 0x1f, function: id & 7 }) ?? [],
  );
}

/** How many virtual functions a card has by its rule. */
export function countOf(vfs: number | 'all' | undefined, routing: Routing | undefined): number {
  return vfs === 'all' ? (routing?.total ?? 0) : (vfs ?? 0);
}
