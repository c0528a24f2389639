import { count, plural } from '../count.ts';
import type { Host } from '../host/host.ts';
import { readPoolFile } from '../observe/hugepages.ts';
import type { Domain } from '../domain/domain.ts';
import { formatBarSize } from '../pci/bar.ts';
import { sysfs } from '../pci/sysfs.ts';
import { wishesOf } from '../resource/wishes.ts';
import { quoteName } from '../text.ts';
import type { Check, Examination } from './examination.ts';
import { about, failure, ok, warning, type Found } from './finding.ts';
import { advice, command } from '../hint.ts';

/** A pool of huge pages of one size. */
interface Pool {
  readonly size: number;
  readonly total: number;
  readonly free: number;
}

/** The guests' huge pages are there. */
export const hugepages: Check = {
  title: 'huge pages',
  run: (on) => {
    const findings = on.guests().flatMap(({ name, xml }): Found[] => {
      const sizes = xml?.features.hugepages;
      if (!xml || !sizes || holdsDevices(on, xml.domain.uuid)) return [];
      const pool = poolOf(on.host, sizes[0]);
      const found = pool
        ? judgePool(pool, xml.features.memory, addedPages(on, xml.domain, pool.size))
        : noPool(sizes[0]);
      return [about(quoteName(name), found)];
    });
    return findings.length > 0 ? findings : ok('no guest that is off asks for them');
  },
};

/** A guest that runs has its pages already. */
function holdsDevices({ engine }: Examination, uuid: string | undefined): boolean {
  return engine.store
    .all()
    .claims.some(({ owner, state }) => owner.kind === 'guest' && owner.uuid === uuid && state === 'held');
}

/** Pages of a size that the configuration has added when the guest starts. */
function addedPages({ engine }: Examination, domain: Domain, size: number): number {
  const { hugepages: pages } = engine.loadConfig(domain);
  if (pages?.sizeKb !== size / 1024) return 0;
  const wishes = wishesOf({ hugepages: pages, sriov: [] }, domain, { routingOf: () => undefined });
  return wishes.reduce((sum, wish) => (wish.kind === 'hugepages' ? sum + wish.wish.pages : sum), 0);
}

function noPool(wantedSize: number | undefined): Found {
  const size = wantedSize === undefined ? 'the default size' : formatBarSize(wantedSize);
  return failure(
    `this kernel has no huge pages of ${size}`,
    advice('choose another <page size=…> in <memoryBacking>, such as 2048 KiB'),
  );
}

function judgePool(pool: Pool, memory: number, added: number): Found {
  const needed = Math.ceil(memory / pool.size);
  const what = `it needs ${count(needed, 'page')} of ${formatBarSize(pool.size)}`;
  const free = `${pool.free} ${plural(pool.free, 'is', 'are')} free`;
  if (pool.free >= needed) return ok(`${what}, and ${free}`);
  if (pool.free + added >= needed) return ok(`${what}: ${free}, and ${added} are added when it starts`);
  const file = sysfs.hugepages({ sizeKb: pool.size / 1024 }, 'nr_hugepages');
  const fix = [
    command(`echo ${pool.total + needed - pool.free} > ${file}`),
    advice('or have them added for as long as it runs: hugepages in its configuration'),
    advice('early after the start of the host there is more unbroken memory for them'),
  ];
  return pool.total >= needed
    ? warning(`${what}, and ${pool.free} of ${pool.total} are free now`, ...fix)
    : failure(`${what}, and the host has ${pool.total} in all (${pool.free} free)`, ...fix);
}

/** The pool of a size, or of the default size. */
function poolOf(host: Host, size: number | undefined): Pool | undefined {
  const standard = Number(/^Hugepagesize:\s+(\d+)/m.exec(host.read(sysfs.memory()) ?? '')?.[1] ?? NaN);
  const sizeKb = size === undefined ? standard : size / 1024;
  const [total, free] = (['nr_hugepages', 'free_hugepages'] as const).map((file) =>
    readPoolFile(host, { sizeKb }, file),
  );
  return total === undefined || free === undefined ? undefined : { size: sizeKb * 1024, total, free };
}
