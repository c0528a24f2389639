import { quoteName } from '../text.ts';
import { QEMU_NAMESPACE, readCommandline } from './commandline.ts';
import { hostCpus } from './cpus.ts';
import { readDisk } from './disk.ts';
import type { DefinedDomain, Domain, Hostdev } from './domain.ts';
import { childrenNamed, onlyChild, optionalChild, readElement, type Element } from './element.ts';
import { readHostdev } from './hostdev.ts';
import { hugepageNeeds } from './hugepages.ts';
import { readInterface } from './interface.ts';
import { outlineXml, type OutlineChild } from './outline.ts';
import { refuse } from './refuse.ts';
import { parseUuid } from './uuid.ts';

/** A guest has at most 256 PCI devices on one bus, and each assigned one needs an IOMMU context of its own. */
export const MOST_HOSTDEVS = 256;

/** In characters; a thousand devices take half of it. It keeps fast-xml-parser, which reads character by character, under 150 MiB. */
export const LONGEST_ESSENCE = 2 ** 20;

/**
 * Which children of `<domain>` are read at all: those that are named, as a whole or only these of their children. The
 * rest is only checked to be well-formed.
 */
export type Wanted = ReadonlyMap<string, 'whole' | readonly string[]>;

/** Of the devices of a usual guest one in three could be a device of the host. */
const READ: Wanted = new Map([
  ...wholly('name', 'uuid', 'commandline'),
  ['devices', ['hostdev', 'interface', 'disk']],
]);

/** And for a guest with huge pages. */
const READ_OF_MEMORY: Wanted = new Map([
  ...wholly('memory'),
  ['memoryBacking', ['hugepages']],
  ['cpu', ['numa']],
]);

/** And for one that is pinned to CPUs. */
const READ_OF_PINS: Wanted = new Map([
  ...wholly('vcpu'),
  ['cputune', ['vcpupin', 'emulatorpin', 'iothreadpin']],
]);

/** Children that are read as a whole. */
export function wholly(...names: readonly string[]): Wanted {
  return new Map(names.map((name) => [name, 'whole']));
}

interface Found {
  readonly hostdev: Hostdev;
  readonly where: string;
}

/**
 * Reads the XML of a guest: its name, UUID and assigned host devices.
 *
 * - The document is one well-formed `<domain>` with one name and at most one UUID, or it is refused: cut off, it
 *   would read as a guest without devices.
 * - `expected` is for what libvirt gives a hook on stdin: `expected.name` is the name on the hook's command line,
 *   and the document must name the same guest, byte for byte, for Unicode has several spellings of what looks
 *   alike. It must have a UUID as well.
 * - Devices are read only where libvirt defines them, `domain/devices/…` and `<qemu:commandline>`, so that
 *   metadata, comments, CDATA and elements of other namespaces cannot assign any.
 * - What it says of huge pages is read as well, and never refused: that is libvirt's to judge.
 * - So is which CPUs it is pinned to; a set of CPUs that cannot be read is refused, as libvirt does.
 * - An NVMe controller may stand behind several disks, one namespace each: it is one device, with the
 *   namespace and `managed` of the first, as libvirt's own list has it (virnvme.c:virNVMeDeviceListCreateDetachList).
 *   Any other device that is assigned twice is refused.
 *
 * Throws VH_XML with a sentence that says which element, what was expected and what was found.
 */
export function parseDomain(xml: string, expected: { readonly name: string }): DefinedDomain;
export function parseDomain(xml: string): Domain;
export function parseDomain(xml: string, expected?: { readonly name: string }): Domain {
  const isPinned = xml.includes('cpuset');
  const domain = readDomainElement(
    xml,
    new Map([
      ...READ,
      ...(xml.includes('hugepages') ? READ_OF_MEMORY : []),
      ...(isPinned ? READ_OF_PINS : []),
    ]),
  );
  const name = textOf(domain, 'name');
  if (name === '') refuse('<name> is empty');
  if (expected && name !== expected.name) {
    refuse(`its <name> is ${quoteName(name)}, expected ${quoteName(expected.name)}`);
  }
  const needs = hugepageNeeds(domain);
  const cpus = isPinned ? hostCpus(domain) : undefined;
  const rest = {
    hostdevs: distinct([...deviceElements(domain), ...commandlines(domain)]),
    ...(needs.length > 0 && { hugepages: needs }),
    ...(cpus && { cpus }),
  };
  if (!expected && !optionalChild(domain, 'uuid', '<domain>')) return { name, ...rest };
  const text = textOf(domain, 'uuid');
  const uuid = parseUuid(text) ?? refuse(`its <uuid> is ${quoteName(text)}, expected 8-4-4-4-12 digits`);
  return { name, uuid, ...rest };
}

/**
 * The element `<domain>` with what is `wanted` of it, from a document that is one well-formed `<domain>` as a whole.
 * Throws VH_XML.
 */
export function readDomainElement(xml: string, wanted: Wanted): Element {
  const domain = readElement(essence(xml, wanted));
  if (domain.namespace !== '') {
    refuse(`<domain> is in the namespace ${quoteName(domain.namespace)}, expected none`);
  }
  return domain;
}

/**
 * The document without what is not read: four fifths of the text of a usual guest, and metadata of any size. Names are
 * compared without their prefix, which may stand for anything.
 */
function essence(xml: string, wanted: Wanted): string {
  const { root, startTag, children } = outlineXml(xml);
  if (root !== 'domain') refuse(`its root element is <${root}>, expected <domain>`);
  const text = `${startTag}${children.map((child) => essenceOf(child, wanted)).join('')}</${root}>`;
  if (text.length > LONGEST_ESSENCE) {
    refuse(`its <devices> take ${text.length} characters, expected at most ${LONGEST_ESSENCE}`);
  }
  return text;
}

function essenceOf({ name, xml, startTag, children }: OutlineChild, wanted: Wanted): string {
  const parts = wanted.get(localName(name));
  if (parts === undefined) return '';
  if (parts === 'whole') return xml;
  const read = children.filter((child) => parts.includes(localName(child.name)));
  return `${startTag}${read.map((child) => child.xml).join('')}</${name}>`;
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

function textOf(domain: Element, name: string): string {
  const element = onlyChild(domain, name, '<domain>');
  if (element.children.length > 0) refuse(`<${name}> has an element in it, expected text`);
  return element.text;
}

function deviceElements(domain: Element): readonly Found[] {
  const counts = new Map<string, number>();
  return childrenNamed(domain, 'devices').flatMap(({ children }) =>
    children.flatMap((element) => {
      const ordinal = (counts.get(element.name) ?? 0) + 1;
      counts.set(element.name, ordinal);
      const where = `<${element.name}> ${ordinal}`;
      return readDevice(element, where).map((hostdev) => ({ hostdev, where }));
    }),
  );
}

function readDevice(element: Element, where: string): readonly Hostdev[] {
  if (element.namespace !== '') return [];
  switch (element.name) {
    case 'hostdev':
      return readHostdev(element, where);
    case 'interface':
      return readInterface(element, where);
    case 'disk':
      return readDisk(element, where);
    default:
      return [];
  }
}

function commandlines(domain: Element): readonly Found[] {
  return childrenNamed(domain, 'commandline', QEMU_NAMESPACE)
    .flatMap(readCommandline)
    .map((hostdev) => ({ hostdev, where: '<qemu:commandline>' }));
}

/** One entry for each device, in document order. */
function distinct(found: readonly Found[]): readonly Hostdev[] {
  const byDevice = new Map<string, Found>();
  for (const entry of found) {
    const { hostdev, where } = entry;
    const device = hostdev.kind === 'mdev' ? hostdev.uuid : hostdev.address;
    const first = byDevice.get(device);
    if (!first) byDevice.set(device, entry);
    else if (hostdev.kind !== 'nvme' || first.hostdev.kind !== 'nvme') {
      refuse(`${device} is assigned twice, by ${first.where} and by ${where}`);
    }
  }
  if (byDevice.size > MOST_HOSTDEVS) {
    refuse(`it assigns ${byDevice.size} host devices, expected at most ${MOST_HOSTDEVS}`);
  }
  return [...byDevice.values()].map(({ hostdev }) => hostdev);
}
