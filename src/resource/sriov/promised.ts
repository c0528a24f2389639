import { pciAddress, pciAddressParts, type PciAddress } from '../../pci/address.ts';
import type { PciDevice } from '../../pci/device.ts';
import type { PhysicalFunctionFacts } from '../facts.ts';

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

/**
 * A virtual function before it is there: no driver, no group that could be known. Its class and subsystem are taken for
 * those of its card, as most cards have it (drivers/pci/probe.c:pci_setup_device).
 */
export function promisedFunction(
  address: PciAddress,
  physical: PciAddress,
  facts: PhysicalFunctionFacts,
): PciDevice {
  const { vendor, vfDevice, subsystemVendor, subsystemDevice } = facts;
  const [base, sub, programming] = [0, 2, 4].map((at) => facts.class.slice(at, at + 2));
  const ids = `v${long(vendor)}d${long(vfDevice)}sv${long(subsystemVendor)}sd${long(subsystemDevice)}`;
  return {
    address,
    vendor,
    device: vfDevice,
    subsystemVendor,
    subsystemDevice,
    revision: facts.revision,
    class: facts.class,
    headerType: 'endpoint',
    modalias: `pci:${ids}bc${base ?? ''}sc${sub ?? ''}i${programming ?? ''}`,
    onVfio: false,
    bars: [],
    physicalFunction: physical,
    expected: true,
  };
}

function long(digits: string): string {
  return digits.toUpperCase().padStart(8, '0');
}
