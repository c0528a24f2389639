import type { MachineState, NodeMemory, NodePool, Pool } from './state.ts';
import { done, type Outcome } from './work.ts';

/** The pools and memory of a machine right after it booted; undefined where its description says nothing of them. */
export function memoryAtBoot({ memory }: MachineState['spec']): MachineState['memory'] {
  if (!memory) return undefined;
  const pools = memory.sizesKb.map((sizeKb): Pool => {
    const nodes = memory.nodes.map(({ pages }): NodePool => {
      const nr = pages[sizeKb] ?? 0;
      return { nr, free: nr, surplus: 0 };
    });
    return { sizeKb, nodes, reserved: 0, nextAllocation: 0, nextRelease: 0 };
  });
  return {
    nodes: memory.nodes.map(({ availableKb, wholeKb }) => ({ availableKb, wholeKb })),
    pools,
    mappings: [],
  };
}

/** Pages of a pool on all nodes together. */
export function sumOf({ nodes }: Pool, field: keyof NodePool): number {
  return nodes.reduce((sum, node) => sum + node[field], 0);
}

/**
 * A write of a number to nr_hugepages, of one node or of all (mm/hugetlb.c:set_max_huge_pages). It always succeeds: the
 * pool grows as far as there are unbroken blocks, and shrinks as far as pages are neither in use nor promised; those are
 * lent to it (surplus) until they get free.
 */
export function setPoolSize(
  state: MachineState,
  sizeKb: number,
  node: number | undefined,
  wanted: number,
): Outcome {
  const pool = poolOf(state, sizeKb);
  if (!pool) return done;
  const persistent = (): number => sumOf(pool, 'nr') - sumOf(pool, 'surplus');
  const own = node === undefined ? undefined : pool.nodes[node];
  // A number for one node is one for all of them that leaves the others as they are.
  const count = own ? wanted + persistent() - (own.nr - own.surplus) : wanted;
  while (count > persistent() && adjustSurplus(pool, node, -1));
  while (count > persistent() && allocate(state, pool, node));
  const least = Math.max(count, pool.reserved + sumOf(pool, 'nr') - sumOf(pool, 'free'));
  while (least < persistent() && giveUp(state, pool, node));
  while (count < persistent() && adjustSurplus(pool, node, 1));
  return done;
}

/** Moves what can be moved together: only what is pinned stays where it is (mm/compaction.c:compact_node). */
export function compact(state: MachineState, node?: number): void {
  for (const [index, { pinnedKb }] of (state.spec.memory?.nodes ?? []).entries()) {
    const memory = state.memory?.nodes[index];
    if (!memory || (node !== undefined && node !== index)) continue;
    memory.wholeKb = Math.max(memory.wholeKb, memory.availableKb - pinnedKb);
  }
}

/** What a process maps. */
export interface MapRequest {
  readonly pid: number;
  readonly sizeKb: number;
  /** All that it is to have, and how many of them it touches. */
  readonly pages: number;
  readonly touched: number;
  /** It is bound to this node. */
  readonly node?: number | undefined;
}

/**
 * A process maps pages and touches some of them: the rest is promised to it (hugetlb_reserve_pages). False, which is
 * ENOMEM, when there are not as many that nobody has been promised.
 */
export function mapPages(state: MachineState, { pid, sizeKb, pages, touched, node }: MapRequest): boolean {
  const pool = poolOf(state, sizeKb);
  if (!pool || sumOf(pool, 'free') - pool.reserved < pages) return false;
  const used = pool.nodes.map(() => 0);
  for (let left = touched; left > 0; left -= 1) {
    const index = pool.nodes.findIndex(({ free }, each) => free > 0 && (node === undefined || node === each));
    const own = pool.nodes[index];
    if (!own) break;
    own.free -= 1;
    used[index] = (used[index] ?? 0) + 1;
  }
  pool.reserved += pages - touched;
  state.memory?.mappings.push({ pid, sizeKb, promised: pages - touched, used });
  return true;
}

/**
 * A process ends: its pages are free again, or leave a pool that they are only lent to (mm/hugetlb.c:free_huge_folio),
 * and what it was promised is free of that promise in the same way (return_unused_surplus_pages).
 */
export function unmapPages(state: MachineState, pid: number): void {
  const { memory } = state;
  if (!memory) return;
  for (const { sizeKb, promised, used } of memory.mappings.filter((each) => each.pid === pid)) {
    const pool = poolOf(state, sizeKb);
    if (!pool) continue;
    pool.reserved -= promised;
    for (const [index, own] of pool.nodes.entries()) {
      const pages = used[index] ?? 0;
      own.free += pages;
      leaveSurplus(memory.nodes[index], pool, own, pages);
    }
    let unused = promised;
    for (const [index, own] of pool.nodes.entries())
      unused -= leaveSurplus(memory.nodes[index], pool, own, unused);
  }
  memory.mappings = memory.mappings.filter((each) => each.pid !== pid);
}

/** Takes free pages that are lent to a pool out of it, so many at most; returns how many. */
function leaveSurplus(memory: NodeMemory | undefined, pool: Pool, own: NodePool, most: number): number {
  const pages = Math.min(most, own.surplus, own.free);
  own.nr -= pages;
  own.free -= pages;
  own.surplus -= pages;
  release(memory, pages * pool.sizeKb);
  return pages;
}

function poolOf(state: MachineState, sizeKb: number): Pool | undefined {
  return state.memory?.pools.find((pool) => pool.sizeKb === sizeKb);
}

/** Makes one page of the next node that has an unbroken block (alloc_pool_huge_folio); false when none has. */
function allocate(state: MachineState, pool: Pool, node: number | undefined): boolean {
  for (const index of inTurn(pool, node, pool.nextAllocation)) {
    const memory = state.memory?.nodes[index];
    const own = pool.nodes[index];
    if (!memory || !own || memory.wholeKb < pool.sizeKb) continue;
    memory.wholeKb -= pool.sizeKb;
    memory.availableKb -= pool.sizeKb;
    own.nr += 1;
    own.free += 1;
    pool.nextAllocation = index + 1;
    return true;
  }
  return false;
}

/** Gives one free page back to the memory (remove_pool_hugetlb_folio); false when none is free. */
function giveUp(state: MachineState, pool: Pool, node: number | undefined): boolean {
  for (const index of inTurn(pool, node, pool.nextRelease)) {
    const own = pool.nodes[index];
    if (!own || own.free === 0) continue;
    own.nr -= 1;
    own.free -= 1;
    release(state.memory?.nodes[index], pool.sizeKb);
    pool.nextRelease = index + 1;
    return true;
  }
  return false;
}

/** Lends one page to a pool, or keeps one that was lent (adjust_pool_surplus). */
function adjustSurplus(pool: Pool, node: number | undefined, by: 1 | -1): boolean {
  for (const index of inTurn(pool, node, by === 1 ? pool.nextRelease : pool.nextAllocation)) {
    const own = pool.nodes[index];
    if (!own || (by === 1 ? own.surplus >= own.nr : own.surplus === 0)) continue;
    own.surplus += by;
    if (by === 1) pool.nextRelease = index + 1;
    else pool.nextAllocation = index + 1;
    return true;
  }
  return false;
}

/** The nodes in the order in which they are tried: one, or all of them from the next one on. */
function inTurn({ nodes }: Pool, node: number | undefined, next: number): number[] {
  if (node !== undefined) return [node];
  return nodes.map((_, index) => (next + index) % nodes.length);
}

/** A page that is given back is one unbroken block. */
function release(memory: NodeMemory | undefined, kb: number): void {
  if (!memory) return;
  memory.availableKb += kb;
  memory.wholeKb += kb;
}
