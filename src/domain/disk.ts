import { quoteName } from '../text.ts';
import type { PciHostdev } from './domain.ts';
import { childrenNamed, type Element } from './element.ts';
import { refuse } from './refuse.ts';
import { readManaged, readPciAddress, readSource } from './source.ts';

/** An NVMe namespace identifier has 32 bits. */
const LARGEST_NAMESPACE = 0xffffffff;

/**
 * Reads a `<disk>`: each NVMe controller behind it, be it the disk itself, its mirror, an image below it
 * (`<backingStore>`, at any depth) or its data file (`<dataStore>`). QEMU drives such a controller itself.
 * `managed` and `namespace` stand at `<source>`. `where` names the element in messages. Throws VH_XML.
 */
export function readDisk(element: Element, where: string): readonly PciHostdev[] {
  return [
    ...(element.attributes.get('type') === 'nvme' ? [readNvme(element, where)] : []),
    ...childrenNamed(element, 'source').flatMap((source) => readBelow(source, 'dataStore', where)),
    ...readBelow(element, 'mirror', where),
    ...readBelow(element, 'backingStore', where),
  ];
}

function readBelow(element: Element, name: string, where: string): readonly PciHostdev[] {
  return childrenNamed(element, name).flatMap((child) => readDisk(child, `the <${name}> of ${where}`));
}

function readNvme(element: Element, where: string): PciHostdev {
  const source = readSource(element, where);
  const type = source.element.attributes.get('type');
  if (type !== 'pci') {
    refuse(
      `the <source> of ${where} has ${type === undefined ? 'no type' : `type=${quoteName(type)}`}, expected type='pci'`,
    );
  }
  const namespace = readNamespace(source.element, where);
  return {
    kind: 'nvme',
    address: readPciAddress(source.address, where),
    managed: readManaged(source.element, `the <source> of ${where}`),
    ...(namespace !== undefined && { namespace }),
  };
}

function readNamespace(source: Element, where: string): number | undefined {
  const text = source.attributes.get('namespace');
  if (text === undefined) return undefined;
  const namespace = /^[0-9]{1,10}$/.test(text) ? parseInt(text, 10) : 0;
  if (namespace < 1 || namespace > LARGEST_NAMESPACE) {
    refuse(
      `the namespace in the <source> of ${where} is ${quoteName(text)}, expected 1 to ${LARGEST_NAMESPACE}`,
    );
  }
  return namespace;
}
