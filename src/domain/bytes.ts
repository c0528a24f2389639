import type { Element } from './element.ts';

/** libvirt's units (docs/formatdomain.rst, memory): powers of 1000 end in B, powers of 1024 do not, or in iB. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ['b', 1],
  ['bytes', 1],
  ['k', 2 ** 10],
  ['kib', 2 ** 10],
  ['kb', 1e3],
  ['m', 2 ** 20],
  ['mib', 2 ** 20],
  ['mb', 1e6],
  ['g', 2 ** 30],
  ['gib', 2 ** 30],
  ['gb', 1e9],
  ['t', 2 ** 40],
  ['tib', 2 ** 40],
  ['tb', 1e12],
]);

/** Bytes that an element says in its text and its unit; undefined without it, or when it says nothing that could be read. */
export function bytesOf(element: Element | undefined): number | undefined {
  return element && sizeInBytes(element.text, element.attributes.get('unit'));
}

/** Bytes of a number in a unit, KiB where there is none. */
export function sizeInBytes(text: string, unit = 'KiB'): number | undefined {
  const factor = UNITS.get(unit.toLowerCase());
  return /^\s*\d{1,15}\s*$/.test(text) && factor !== undefined ? Number(text) * factor : undefined;
}
