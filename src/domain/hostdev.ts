import { quoteName } from '../text.ts';
import type { Hostdev } from './domain.ts';
import type { Element } from './element.ts';
import { refuse } from './refuse.ts';
import { readDriver, readManaged, readPciAddress, readSource } from './source.ts';
import { parseUuid } from './uuid.ts';

/**
 * Reads a `<hostdev>`: type `pci` and type `mdev` assign a device that matters here. Types `usb`, `scsi` and
 * `scsi_host`, those that a later libvirt may add, and mode `capabilities` (containers) assign none.
 * `where` names the element in messages. Throws VH_XML.
 */
export function readHostdev(element: Element, where: string): readonly Hostdev[] {
  const mode = element.attributes.get('mode') ?? 'subsystem';
  if (mode === 'capabilities') return [];
  if (mode !== 'subsystem') {
    refuse(`${where} has mode=${quoteName(mode)}, expected "subsystem" or "capabilities"`);
  }
  switch (element.attributes.get('type')) {
    case undefined:
      return refuse(`${where} has no type, expected type='pci' or another`);
    case 'pci':
      return [
        {
          kind: 'pci',
          address: readPciAddress(readSource(element, where).address, where),
          managed: readManaged(element, where),
          ...readDriver(element, where),
        },
      ];
    case 'mdev':
      return [readMdev(element, where)];
    default:
      return [];
  }
}

function readMdev(element: Element, where: string): Hostdev {
  const text = readSource(element, where).address.attributes.get('uuid') ?? '';
  const uuid = parseUuid(text);
  if (uuid === undefined) {
    refuse(`the uuid in the source address of ${where} is ${quoteName(text)}, expected 8-4-4-4-12 digits`);
  }
  const model = element.attributes.get('model');
  return { kind: 'mdev', uuid, managed: readManaged(element, where), ...(model !== undefined && { model }) };
}
