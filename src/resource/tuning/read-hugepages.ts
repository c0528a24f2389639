import type { Host } from '../../host/host.ts';
import { readPoolFile, readPoolPages } from '../../observe/hugepages.ts';
import { readMemory, readWholeKb } from '../../observe/memory.ts';
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
          whole: Math.floor(readWholeKb(host, pool.sizeKb, pool.node) / pool.sizeKb),
          room: Math.floor(readMemory(host, pool.node).availableKb / pool.sizeKb),
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
