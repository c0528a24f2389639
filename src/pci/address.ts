declare const brand: unique symbol;

/** A PCI address in the one form that this program keeps: `dddd:bb:ss.f`, lower case (sysfs' own form). */
export type PciAddress = string & { readonly [brand]: 'PciAddress' };

/** The four numbers of a PCI address. */
export interface PciAddressParts {
  readonly domain: number;
  readonly bus: number;
  readonly slot: number;
  readonly function: number;
}

const WRITTEN = /^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$/i;
const NODEDEV = /^pci_([0-9a-f]{4,8})_([0-9a-f]{2})_([0-9a-f]{2})_([0-7])$/i;

/**
 * The canonical address of four numbers: at least four hexadecimal digits for the domain, as the kernel
 * prints it (`%04x:%02x:%02x.%d`, drivers/pci/probe.c:pci_setup_device).
 * Returns undefined when a number is out of range: bus over 0xff, slot over 0x1f, function over 7.
 */
export function pciAddress(parts: PciAddressParts): PciAddress | undefined {
  const { domain, bus, slot, function: fn } = parts;
  if (!inRange(domain, 0xffffffff) || !inRange(bus, 0xff) || !inRange(slot, 0x1f) || !inRange(fn, 7)) {
    return undefined;
  }
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(slot, 2)}.${fn}` as PciAddress;
}

/**
 * Reads an address as people write it: `0000:01:00.0`, `01:00.0` (domain 0) or virsh's node device name
 * `pci_0000_01_00_0`. Returns undefined for anything else.
 */
export function parsePciAddress(text: string): PciAddress | undefined {
  const match = WRITTEN.exec(text) ?? NODEDEV.exec(text);
  if (!match) return undefined;
  const [, domain = '0', bus = '', slot = '', fn = ''] = match;
  return pciAddress({
    domain: parseInt(domain, 16),
    bus: parseInt(bus, 16),
    slot: parseInt(slot, 16),
    function: parseInt(fn, 16),
  });
}

/** The numbers of an address. */
export function pciAddressParts(address: PciAddress): PciAddressParts {
  const [domain = '', bus = '', rest = ''] = address.split(':');
  const [slot = '', fn = ''] = rest.split('.');
  return {
    domain: parseInt(domain, 16),
    bus: parseInt(bus, 16),
    slot: parseInt(slot, 16),
    function: parseInt(fn, 16),
  };
}

/** Order of addresses: domain, bus, slot, function (numbers, not text: a domain may have five digits). */
export function comparePciAddresses(a: PciAddress, b: PciAddress): number {
  const x = pciAddressParts(a);
  const y = pciAddressParts(b);
  return x.domain - y.domain || x.bus - y.bus || x.slot - y.slot || x.function - y.function;
}

/** Domain and bus of a device: `0000:03`. */
export function busOf(address: PciAddress): string {
  return address.slice(0, address.lastIndexOf(':'));
}

/** The slot of a function, which all functions of a card share: `0000:03:00`. */
export function slotOf(address: PciAddress): string {
  return address.slice(0, address.lastIndexOf('.'));
}

function inRange(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}
