import type { Host } from '../host/host.ts';
import { sysfs } from '../pci/sysfs.ts';

/** Memory of a host or of one of its nodes, in kB; 0 where the kernel does not say. */
export interface Memory {
  readonly totalKb: number;
  /** What can be had without swapping: MemAvailable. A node does not say it in one number, so it is put together. */
  readonly availableKb: number;
}

/** Numbers of the nodes that have memory or processors, ascending; undefined where the kernel shows none. */
export function memoryNodes(host: Host): readonly number[] | undefined {
  return host
    .list(sysfs.nodes)
    ?.flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** How much there is, on one node or in all. */
export function readMemory(host: Host, node?: number): Memory {
  const text = host.read(sysfs.memory(node)) ?? '';
  const kb = (name: string): number =>
    Number(new RegExp(`^(?:Node \\d+ )?${name}: +(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
  const availableKb =
    node === undefined
      ? kb('MemAvailable')
      : kb('MemFree') + kb('Active\\(file\\)') + kb('Inactive\\(file\\)') + kb('SReclaimable');
  return { totalKb: kb('MemTotal'), availableKb };
}

/** As much as the kernel's allocator keeps in one piece: blocks of 2^n base pages, n up to 10 (MAX_PAGE_ORDER). */
const LARGEST_ORDER = 10;

/**
 * Memory in free blocks that are large enough to hold a page of `sizeKb` in one piece, by lines such as
 * `Node 0, zone   Normal   4   3   0 …` (mm/vmstat.c:frag_show). Base pages are taken for 4 KiB: where they are larger,
 * blocks are larger than they seem, and less is found than there is.
 */
export function readWholeKb(host: Host, sizeKb: number, node?: number): number {
  const order = Math.log2(sizeKb / 4);
  if (order > LARGEST_ORDER) return 0;
  return (host.read(sysfs.freeBlocks) ?? '').split('\n').reduce((sum, line) => {
    const [, number, blocks = ''] = /^Node (\d+), zone +\S+ +([\d ]+)$/.exec(line) ?? [];
    if (number === undefined || (node !== undefined && Number(number) !== node)) return sum;
    const counts = blocks.trim().split(/ +/).map(Number);
    return counts.reduce((kb, count, index) => (index < order ? kb : kb + count * 4 * 2 ** index), sum);
  }, 0);
}
