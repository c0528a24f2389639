import { pciAddress, type PciAddress } from '../pci/address.ts';
import { isDriverName } from '../pci/driver-name.ts';
import { quoteName } from '../text.ts';
import { onlyChild, optionalChild, type Element } from './element.ts';
import { refuse } from './refuse.ts';

/** The largest value of each number of an address (libvirt device_conf.c:virPCIDeviceAddressIsValid). */
const LARGEST = { domain: 0xffffffff, bus: 0xff, slot: 0x1f, function: 7 } as const;

/** The `<source>` of a host device with its one `<address>`: the host's side, never the guest's. */
export interface Source {
  readonly element: Element;
  readonly address: Element;
}

/** Finds `<source><address/></source>`. `where` names `parent` in messages. Throws VH_XML unless there is one of each. */
export function readSource(parent: Element, where: string): Source {
  const element = onlyChild(parent, 'source', where);
  return { element, address: onlyChild(element, 'address', `the <source> of ${where}`) };
}

/**
 * Reads a PCI address element as libvirt does (device_conf.c:virPCIDeviceAddressParseXML): each of `domain`,
 * `bus`, `slot` and `function` may be missing and is 0 then. All of them 0 is an address like another: on s390x
 * the first device of the host has it. Throws VH_XML.
 */
export function readPciAddress(element: Element, where: string): PciAddress {
  const type = element.attributes.get('type');
  if (type !== undefined && type !== 'pci') {
    refuse(`the source address of ${where} has the type ${quoteName(type)}, expected "pci"`);
  }
  const parts = {
    domain: readPart(element, 'domain', where),
    bus: readPart(element, 'bus', where),
    slot: readPart(element, 'slot', where),
    function: readPart(element, 'function', where),
  };
  return pciAddress(parts) ?? refuse(`the source address of ${where} is out of range`);
}

/**
 * Reads a number as libvirt does (strtoul with base 0): `0x1f` hexadecimal, a leading 0 octal, else decimal.
 * libvirt's schema also lets digits of hexadecimal pass without `0x`, which its parser then refuses; with one
 * of the letters a to f they cannot mean anything else and are taken so (`1f`). `0b1` could: C23 reads it as
 * binary. Returns undefined for anything else.
 */
export function parseNumber(text: string): number | undefined {
  if (/^0x[0-9a-f]{1,16}$/i.test(text)) return parseInt(text.slice(2), 16);
  if (/^0[0-7]{0,20}$/.test(text)) return parseInt(text, 8);
  if (/^[1-9][0-9]{0,15}$/.test(text)) return parseInt(text, 10);
  if (/^0b[01]+$/i.test(text)) return undefined;
  if (/^[0-9a-f]{1,16}$/i.test(text) && /[a-f]/i.test(text)) return parseInt(text, 16);
  return undefined;
}

/** The `managed` attribute: whether libvirt detaches and reattaches the device itself. Absent means no. */
export function readManaged(element: Element, where: string): boolean {
  const managed = element.attributes.get('managed');
  if (managed === undefined || managed === 'no') return false;
  if (managed === 'yes') return true;
  return refuse(`${where} has managed=${quoteName(managed)}, expected "yes" or "no"`);
}

/**
 * What `<driver name='…' model='…'/>` asks for; libvirt 10.0 and later bind the driver named by `model`. Throws
 * VH_XML for a model that no driver can have for a name. Which drivers this kernel has is not known here.
 */
export function readDriver(
  element: Element,
  where: string,
): { readonly driver?: string; readonly model?: string } {
  const attributes = optionalChild(element, 'driver', where)?.attributes;
  const driver = attributes?.get('name');
  const model = attributes?.get('model');
  if (model !== undefined && !isDriverName(model)) {
    refuse(`the <driver> of ${where} has model=${quoteName(model)}, which is no driver's name`);
  }
  return { ...(driver !== undefined && { driver }), ...(model !== undefined && { model }) };
}

function readPart(element: Element, part: keyof typeof LARGEST, where: string): number {
  const text = element.attributes.get(part);
  if (text === undefined) return 0;
  const value = parseNumber(text);
  const largest = LARGEST[part];
  if (value === undefined || value > largest) {
    refuse(
      `the ${part} in the source address of ${where} is ${quoteName(text)}, expected 0 to 0x${largest.toString(16)}`,
    );
  }
  return value;
}
