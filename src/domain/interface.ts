import type { PciHostdev, PciHostdevKind } from './domain.ts';
import { optionalChild, type Element } from './element.ts';
import { readDriver, readManaged, readPciAddress, readSource } from './source.ts';

/**
 * Reads an `<interface>`: type `hostdev` is a virtual function of a network card. Type `network` is one when
 * libvirt has chosen a function of the network's pool, which its `<actual type='hostdev'>` tells; that
 * happens after prepare, so it is seen only in status XML. A USB network card is none.
 * `where` names the element in messages. Throws VH_XML.
 */
export function readInterface(element: Element, where: string): readonly PciHostdev[] {
  const type = element.attributes.get('type');
  if (type === 'hostdev') return readAssigned(element, 'interface', where);
  if (type !== 'network') return [];
  const actual = optionalChild(element, 'actual', where);
  if (actual?.attributes.get('type') !== 'hostdev') return [];
  return readAssigned(actual, 'network', `the <actual> of ${where}`);
}

function readAssigned(element: Element, kind: PciHostdevKind, where: string): readonly PciHostdev[] {
  const { address } = readSource(element, where);
  if (address.attributes.get('type') === 'usb') return [];
  return [
    {
      kind,
      address: readPciAddress(address, where),
      managed: readManaged(element, where),
      ...readDriver(element, where),
    },
  ];
}
