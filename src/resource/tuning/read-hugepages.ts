import type { Host } from '../../host/host.ts';
import { readPoolFile, readPoolPages } from '../../observe/hugepages.ts';
import { poolOf, type HugepagePool } from '../../pci/hugepages.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';

/** What pools of huge pages and the memory around them are like. Nothing of it waits. */
export const readHugepages: Reader<'hugepages'> = (host, keys) =>
  Promise.resolve(
    new Map(
      keys.flatMap((key): [string, SeenOf<'hugepages'>][] => {
        const pool = poolOf(key);
        const pages = readPoolPages(host, pool);
        if (pages === undefined) return [];
        const facts = {
          busy: busyPages(host, pool),
          whole: wholePages(host.read(sysfs.freeBlocks) ?? '', pool),
          room: roomFor(host, pool),
          compacts: host.status(sysfs.compactMemory(pool.node)) !== undefined,
        };
        return [[key, { state: { pages }, facts }]];
      }),
    ),
  );

/**
 * Pages that nobody may take away: those in use, and those that are promised. A promise is not for a node, so a node
 * keeps what the other nodes have not (mm/hugetlb.c:set_max_huge_pages, min_count).
 */
function busyPages(host: Host, { sizeKb, node }: HugepagePool): number {
  const whole: HugepagePool = { sizeKb };
  const reserved = readPoolFile(host, whole, 'resv_hugepages') ?? 0;
  const everywhere = usedPages(host, whole) + reserved;
  if (node === undefined) return everywhere;
  const own: HugepagePool = { sizeKb, node };
  const elsewhere = (readPoolPages(host, whole) ?? 0) - (readPoolPages(host, own) ?? 0);
  return Math.max(usedPages(host, own), everywhere - elsewhere);
}

function usedPages(host: Host, pool: HugepagePool): number {
  const [all, free] = (['nr_hugepages', 'free_hugepages'] as const).map((file) =>
    readPoolFile(host, pool, file),
  );
  return (all ?? 0) - (free ?? 0);
}

/**
 * Pages that fit into free blocks, by a text such as `Node 0, zone   Normal   4   3   0 …`: blocks of 2^n base pages from
 * n = 0 on. Base pages are taken for 4 KiB: where they are larger, blocks are larger than they seem, and the memory is
 * compacted once without need.
 */
function wholePages(buddyinfo: string, { sizeKb, node }: HugepagePool): number {
  const order = Math.log2(sizeKb / 4);
  return buddyinfo.split('\n').reduce((sum, line) => {
    const [, number, blocks = ''] = /^Node (\d+), zone +\S+ +([\d ]+)$/.exec(line) ?? [];
    if (number === undefined || (node !== undefined && Number(number) !== node)) return sum;
    const fitting = blocks
      .trim()
      .split(/ +/)
      .map((count, index) => (index < order ? 0 : Number(count) * 2 ** (index - order)));
    return fitting.reduce((pages, each) => pages + each, sum);
  }, 0);
}

/** What the kernel takes for memory that can be had without swapping, by MemAvailable; a node does not say it in one number. */
function roomFor(host: Host, { sizeKb, node }: HugepagePool): number {
  const text = host.read(sysfs.memory(node)) ?? '';
  const kb = (name: string): number =>
    Number(new RegExp(`^(?:Node \\d+ )?${name}: +(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
  const available =
    node === undefined
      ? kb('MemAvailable')
      : kb('MemFree') + kb('Active\\(file\\)') + kb('Inactive\\(file\\)') + kb('SReclaimable');
  return Math.floor(available / sizeKb);
}
