import { bytesOf, sizeInBytes } from './bytes.ts';
import type { HugepageNeed } from './domain.ts';
import { childrenNamed, type Element } from './element.ts';
import { at } from './guest-system.ts';

/**
 * The memory of a guest that its XML wants in huge pages (docs/formatdomain.rst, memoryBacking): all of it, or that of
 * the guest's NUMA nodes which a `<page>` is for. A `<page>` without a nodeset is for those that no other one names. What
 * cannot be read is left out.
 */
export function hugepageNeeds(domain: Element): readonly HugepageNeed[] {
  const backing = at(domain, 'memoryBacking', 'hugepages');
  if (!backing) return [];
  const pages = childrenNamed(backing, 'page').map(readPage);
  return nodesOf(domain).flatMap(({ id, bytes }): HugepageNeed[] => {
    if (bytes === undefined || bytes === 0) return [];
    if (pages.length === 0) return [{ bytes }];
    const page = pages.find(({ nodes }) => nodes?.has(id)) ?? pages.find(({ nodes }) => !nodes);
    return page?.size === undefined ? [] : [{ size: page.size, bytes }];
  });
}

interface Page {
  readonly size: number | undefined;
  /** The guest's nodes that it is for; undefined: the rest. */
  readonly nodes: ReadonlySet<number> | undefined;
}

function readPage({ attributes }: Element): Page {
  const nodeset = attributes.get('nodeset');
  return {
    size: sizeInBytes(attributes.get('size') ?? '', attributes.get('unit')),
    nodes: nodeset === undefined ? undefined : numbersOf(nodeset),
  };
}

/** The guest's NUMA nodes; a guest without any is one node. */
function nodesOf(domain: Element): readonly { readonly id: number; readonly bytes: number | undefined }[] {
  const numa = at(domain, 'cpu', 'numa');
  const cells = numa ? childrenNamed(numa, 'cell') : [];
  if (cells.length === 0) return [{ id: 0, bytes: bytesOf(at(domain, 'memory')) }];
  return cells.map(({ attributes }, index) => ({
    id: Number(attributes.get('id') ?? index),
    bytes: sizeInBytes(attributes.get('memory') ?? '', attributes.get('unit')),
  }));
}

/** As many nodes as a guest can have at most (VIR_DOMAIN_CPUMASK_LEN). */
const MOST_NODES = 16_384;

/** A set such as `0-3,^1,7` (src/util/virbitmap.c:virBitmapParse). */
function numbersOf(text: string): ReadonlySet<number> {
  const numbers = new Set<number>();
  for (const part of text.split(',')) {
    const [, not, first, last = first] = /^\s*(\^?)(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(part) ?? [];
    if (first === undefined) continue;
    for (let each = Number(first); each <= Math.min(Number(last), MOST_NODES); each += 1) {
      if (not === '^') numbers.delete(each);
      else numbers.add(each);
    }
  }
  return numbers;
}
