import { advice, type Hint } from '../../hint.ts';
import { formatBarSize } from '../../pci/bar.ts';
import { poolOf, poolWords, type HugepagePool } from '../../pci/hugepages.ts';
import type { Step } from '../../steps/step.ts';
import type { KindOf } from '../kind.ts';

/**
 * Huge pages for a guest's memory, on top of those that are there (mm/hugetlb.c). What is held is the number of pages
 * that a pool keeps, which is `nr_hugepages` without the surplus: pages in use beyond it, which go as they get free.
 *
 * - A start adds its wish. When there are too few unbroken blocks of memory, it compacts the memory first.
 * - The kernel gives as many as it finds and calls that a success; the step reads them back.
 * - A way back subtracts, and never takes a page that somebody uses or was promised.
 */
export const hugepages: KindOf<'hugepages'> = {
  stage: 'tune',
  changesDevices: false,
  attributes: ['hugepages'],
  gradual: ['pages'],
  // Pools of all sizes are made of one memory, and compacting it is for all of them.
  lock: () => 'huge pages',
  overlaps: (key, other) => {
    const [a, b] = [poolOf(key), poolOf(other)];
    return a.sizeKb === b.sizeKb && (a.node === undefined) !== (b.node === undefined);
  },
  target: ({ pages }, wishes) => ({ pages: wishes.reduce((sum, wish) => sum + wish.pages, pages) }),
  guard: ({ key, seen, to }) => {
    const more = to.pages - seen.state.pages;
    const pool = poolOf(key);
    if (more <= seen.facts.room) return [];
    return [
      {
        reason: `${more} more need ${shownMemory(pool, more)}, and the host can spare ${shownMemory(pool, Math.max(0, seen.facts.room))}`,
        hints: [
          advice('end a program or a guest that has the memory, or ask for fewer pages'),
          nodeHint(pool),
        ],
      },
    ];
  },
  reach: ({ seen: { state, facts }, to }) => {
    if (facts.busy <= to.pages) return undefined;
    const pages = Math.min(state.pages, facts.busy);
    return {
      to: { pages },
      left: `it stays at ${pages} in place of ${to.pages}: ${facts.busy} are in use, or promised to somebody`,
    };
  },
  steps: ({ key, seen: { state, facts }, to }) => {
    if (state.pages === to.pages) return [];
    const { node } = poolOf(key);
    const compacts = to.pages - state.pages > facts.whole && facts.compacts;
    const first: Step[] = compacts ? [{ kind: 'compact-memory', ...(node !== undefined && { node }) }] : [];
    return [...first, { kind: 'set', attribute: 'hugepages', key, to: String(to.pages) }];
  },
  subject: (key) => poolWords(poolOf(key)),
  words: (_key, { pages }) => String(pages),
};

function nodeHint({ node }: HugepagePool): Hint {
  return node === undefined
    ? advice('see how much there is: grep MemAvailable /proc/meminfo')
    : advice(`another node may have more: leave node away, or see /sys/devices/system/node/node*/meminfo`);
}

/** Memory in whole pages, rounded down to what people write: `7.5 GiB`. */
function shownMemory({ sizeKb }: HugepagePool, pages: number): string {
  const bytes = pages * sizeKb * 1024;
  if (bytes < 2 ** 30) return formatBarSize(bytes);
  return `${Math.floor((bytes / 2 ** 30) * 10) / 10} GiB`;
}
