import type { Description } from './description-schema.ts';
import type { MemorySpec } from './spec.ts';

type Written = NonNullable<Description['memory']>;

/** Memory in kB; where nothing is said of unbroken blocks, all that can be spared is. */
export function expandMemory({ nodes, sizes, compacts }: Written): MemorySpec {
  return {
    nodes: nodes.map(({ total, available, whole, pinned, pages }) => ({
      totalKb: kb(total),
      availableKb: kb(available),
      wholeKb: kb(whole ?? available),
      pinnedKb: kb(pinned),
      pages: Object.fromEntries(pages.map(({ size, count }) => [kb(size), count])),
    })),
    sizesKb: sizes.map(kb),
    compacts,
  };
}

/** What contradicts itself in what is said of the memory, a sentence each. */
export function memorySentences(memory: Written): string[] {
  return memory.nodes.flatMap(({ total, available, whole = available, pinned, pages }, index) => [
    ...(available > total ? [`node ${index} can spare more memory than it has`] : []),
    ...(whole + pinned > available
      ? [`node ${index} has more unbroken and pinned memory than it can spare`]
      : []),
    ...pages
      .filter(({ size }) => !memory.sizes.includes(size))
      .map(({ size }) => `node ${index} has pages of ${kb(size)} kB, which is none of the sizes`),
  ]);
}

function kb(bytes: number): number {
  return Math.floor(bytes / 1024);
}
