import type { Host } from '../host/host.ts';
import type { HugepagePool } from '../pci/hugepages.ts';
import { sysfs } from '../pci/sysfs.ts';

/** How many pages a pool keeps: without the surplus, which is lent to it. Undefined: there is no such pool. */
export function readPoolPages(host: Host, pool: HugepagePool): number | undefined {
  const all = readPoolFile(host, pool, 'nr_hugepages');
  return all === undefined ? undefined : all - (readPoolFile(host, pool, 'surplus_hugepages') ?? 0);
}

/** One number of a pool. */
export function readPoolFile(
  host: Host,
  pool: HugepagePool,
  file: 'nr_hugepages' | 'free_hugepages' | 'resv_hugepages' | 'surplus_hugepages',
): number | undefined {
  const text = host.read(sysfs.hugepages(pool, file))?.trim();
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
