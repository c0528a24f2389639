/** A base address register of a device: what the kernel's `resource` and `resourceN_resize` files say. */
export interface Bar {
  /** 0 to 5. */
  readonly index: number;
  /** Bytes; 0 when the kernel has not assigned the BAR. */
  readonly size: number;
  /** Flag word of the `resource` line (include/linux/ioport.h). */
  readonly flags: number;
  /**
   * Sizes that the Resizable BAR capability offers, in bytes, smallest first; absent when the BAR cannot be
   * resized (no `resourceN_resize` file).
   */
  readonly sizes?: readonly number[];
}

/** IORESOURCE_UNSET (include/linux/ioport.h): the BAR has a size but no address. */
export const IORESOURCE_UNSET = 0x20000000;

/** IORESOURCE_MEM and IORESOURCE_MEM_64 (include/linux/ioport.h). */
const IORESOURCE_MEM = 0x200;
const IORESOURCE_MEM_64 = 0x100000;

/** Whether a BAR can only be mapped below 4 GiB: memory, and not a BAR of 64 bits. */
export function isMemory32({ flags }: Bar): boolean {
  return (flags & IORESOURCE_MEM) !== 0 && (flags & IORESOURCE_MEM_64) === 0;
}

const MIB = 2 ** 20;
/** PCI Express base specification, Resizable BAR capability: 1 MiB (bit 0) to 128 TiB (bit 27). */
const LARGEST_BIT = 27;
const UNITS: Readonly<Record<string, number>> = {
  m: MIB,
  mb: MIB,
  mib: MIB,
  g: 2 ** 30,
  gb: 2 ** 30,
  gib: 2 ** 30,
  t: 2 ** 40,
  tb: 2 ** 40,
  tib: 2 ** 40,
};

/**
 * Reads a BAR size such as `8MiB`, `256M` or `16GiB` (units are powers of 1024, as lspci prints them).
 * Returns bytes, or undefined when it is no power of two between 1 MiB and 128 TiB.
 */
export function parseBarSize(text: string): number | undefined {
  const match = /^(\d{1,6})\s*([a-z]+)$/i.exec(text.trim());
  const unit = UNITS[match?.[2]?.toLowerCase() ?? ''];
  if (!match || unit === undefined) return undefined;
  const bytes = Number(match[1]) * unit;
  return bitOfBarSize(bytes) === undefined ? undefined : bytes;
}

/** A size in the words people use: `8 MiB`, `256 MiB`, `16 GiB`; below 1 MiB `64 KiB` or `512 B`. */
export function formatBarSize(bytes: number): string {
  for (const [unit, factor] of [
    ['TiB', 2 ** 40],
    ['GiB', 2 ** 30],
    ['MiB', MIB],
    ['KiB', 1024],
  ] as const) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor} ${unit}`;
  }
  return `${bytes} B`;
}

/**
 * The number to write to `resourceN_resize` for a size: n for 2^n MiB
 * (drivers/pci/pci-sysfs.c:__resource_resize_store). Undefined when the size is no such power of two.
 */
export function bitOfBarSize(bytes: number): number | undefined {
  const bit = Math.log2(bytes / MIB);
  return Number.isInteger(bit) && bit >= 0 && bit <= LARGEST_BIT ? bit : undefined;
}

/**
 * Reads a `resourceN_resize` file: a bit mask in hexadecimal without 0x, bit n for 2^n MiB. It is what the
 * device supports, not its current size. Returns bytes, smallest first; undefined when the text is no mask.
 */
export function parseResizeMask(text: string): number[] | undefined {
  const digits = text.trim();
  if (!/^[0-9a-f]{1,16}$/i.test(digits)) return undefined;
  const mask = BigInt(`0x${digits}`);
  const sizes: number[] = [];
  for (let bit = 0; bit <= LARGEST_BIT; bit += 1) {
    if ((mask >> BigInt(bit)) & 1n) sizes.push(2 ** bit * MIB);
  }
  return sizes;
}

/**
 * Reads a device's `resource` file: a line per BAR with start, end and flags
 * (drivers/pci/pci-sysfs.c:resource_show). BARs that do not exist (flags 0) and lines without addresses are
 * left out; index 6 (the expansion ROM) and the windows of bridges are not BARs. `masks` has the
 * `resourceN_resize` texts by index.
 */
export function parseBars(resource: string, masks: ReadonlyMap<number, string>): Bar[] {
  const bars: Bar[] = [];
  for (const [index, line] of resource.split('\n').slice(0, 6).entries()) {
    const [start, end, flagWord] = line.trim().split(/\s+/);
    const flags = Number(flagWord);
    if (!isAddress(start) || !isAddress(end) || !flags) continue;
    const sizes = parseResizeMask(masks.get(index) ?? '');
    bars.push({ index, size: span(start, end, flags), flags, ...(sizes && { sizes }) });
  }
  return bars;
}

function isAddress(text: string | undefined): text is string {
  return text !== undefined && /^0x[0-9a-f]{1,16}$/i.test(text);
}

/** Bytes between two addresses of 64 bits: taken as BigInt, since a Number keeps only 53 of them. */
function span(start: string, end: string, flags: number): number {
  if ((flags & IORESOURCE_UNSET) !== 0) return 0;
  const difference = BigInt(end) - BigInt(start);
  return difference > 0n ? Number(difference) + 1 : 0;
}
