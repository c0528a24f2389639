import { formatBarSize } from './bar.ts';

/** A pool of huge pages: those of one size, on one node or on all of them (Documentation/admin-guide/mm/hugetlbpage.rst). */
export interface HugepagePool {
  /** Of one page, in kB, as the kernel names it: 2048, 1048576. */
  readonly sizeKb: number;
  /** Number of the NUMA node; absent: all nodes together. */
  readonly node?: number;
}

/** What a pool is called in a claim: `2048kB node0`, `2048kB`. */
export function poolKey({ sizeKb, node }: HugepagePool): string {
  return node === undefined ? `${sizeKb}kB` : `${sizeKb}kB node${node}`;
}

/** The pool that a key is of. Throws an Error for what {@link poolKey} cannot have made. */
export function poolOf(key: string): HugepagePool {
  const match = /^(\d+)kB(?: node(\d+))?$/.exec(key);
  if (!match) throw new Error(`${JSON.stringify(key)} is no pool of huge pages`);
  const [, size, node] = match;
  return { sizeKb: Number(size), ...(node !== undefined && { node: Number(node) }) };
}

/** A pool in a sentence: `huge pages of 2 MiB on node 0`. */
export function poolWords({ sizeKb, node }: HugepagePool): string {
  return `huge pages of ${formatBarSize(sizeKb * 1024)}${node === undefined ? '' : ` on node ${node}`}`;
}

const UNIT: Readonly<Record<string, number>> = { k: 1, m: 2 ** 10, g: 2 ** 20 };

/**
 * Reads the size of a huge page such as `2MiB`, `1G` or `64 KiB` (powers of 1024). Returns kB, or undefined when it is no
 * power of two from 64 KiB to 16 GiB: the sizes of all processors that Linux runs on are among these.
 */
export function parsePageSize(text: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d{1,3}) ?([kmg])(?:i?b)?$/i.exec(text) ?? [];
  const sizeKb = Number(number) * (UNIT[unit.toLowerCase()] ?? 0);
  const isPower = Number.isInteger(Math.log2(sizeKb));
  return isPower && sizeKb >= 64 && sizeKb <= 2 ** 24 ? sizeKb : undefined;
}
