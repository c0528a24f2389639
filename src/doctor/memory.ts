import { count, plural } from '../count.ts';
import type { Host } from '../host/host.ts';
import { quoteName } from '../text.ts';
import type { Check, Examination } from './examination.ts';
import { about, failure, ok, warning, type Found } from './finding.ts';
import { advice, command } from '../hint.ts';
import { places } from './places.ts';

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
      return [about(quoteName(name), judgePool(pool, sizes[0], xml.features.memory))];
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

function judgePool(pool: Pool | undefined, wantedSize: number | undefined, memory: number): Found {
  if (!pool) {
    const size = wantedSize === undefined ? 'the default size' : shownSize(wantedSize);
    return failure(
      `this kernel has no huge pages of ${size}`,
      advice('choose another <page size=…> in <memoryBacking>, such as 2048 KiB'),
    );
  }
  const needed = Math.ceil(memory / pool.size);
  const what = `it needs ${count(needed, 'page')} of ${shownSize(pool.size)}`;
  if (pool.free >= needed) return ok(`${what}, and ${pool.free} ${plural(pool.free, 'is', 'are')} free`);
  const file = `${places.hugepages}/hugepages-${pool.size / 1024}kB/nr_hugepages`;
  const fix = [
    command(`echo ${pool.total + needed - pool.free} > ${file}`),
    advice('early after the start of the host there is more unbroken memory for them'),
  ];
  return pool.total >= needed
    ? warning(`${what}, and ${pool.free} of ${pool.total} are free now`, ...fix)
    : failure(`${what}, and the host has ${pool.total} in all (${pool.free} free)`, ...fix);
}

/** The pool of a size, or of the default size, as /sys has it, else as /proc/meminfo does. */
function poolOf(host: Host, size: number | undefined): Pool | undefined {
  const text = host.read(places.memory) ?? '';
  const number = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? NaN);
  const standard = number('Hugepagesize') * 1024;
  const wanted = size ?? standard;
  const directory = `${places.hugepages}/hugepages-${wanted / 1024}kB`;
  const [total, free] = ['nr_hugepages', 'free_hugepages'].map((name) => host.read(`${directory}/${name}`));
  if (total !== undefined && free !== undefined) {
    return { size: wanted, total: Number(total), free: Number(free) };
  }
  if (wanted !== standard) return undefined;
  return { size: wanted, total: number('HugePages_Total'), free: number('HugePages_Free') };
}

function shownSize(bytes: number): string {
  return bytes >= 2 ** 30 ? `${bytes / 2 ** 30} GiB` : `${bytes / 2 ** 20} MiB`;
}
