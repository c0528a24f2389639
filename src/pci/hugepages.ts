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
