import type { PciAddress } from '../../pci/address.ts';
import type { PciDevice } from '../../pci/device.ts';
import type { PhysicalFunctionFacts } from '../facts.ts';

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
