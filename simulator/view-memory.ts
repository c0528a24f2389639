import { compact, setPoolSize, sumOf } from './hugepages.ts';
import { profileOf } from './profile.ts';
import type { MachineState, NodePool, Pool } from './state.ts';
import { decimalNumber } from './text.ts';
import { directory, text, type Directory, type File, type Node } from './tree.ts';
import { done, failed } from './work.ts';

/** /sys/kernel/mm/hugepages: the pools of all nodes together. Undefined where nothing is known of the memory. */
export function wholePools(state: MachineState): Directory | undefined {
  return state.memory && directory({ hugepages: pools(state) });
}

/** /sys/devices/system/node: memory and pools of each node. */
export function memoryNodes(state: MachineState): Directory | undefined {
  const nodes = (state.spec.memory?.nodes ?? []).map((_, index): [string, () => Node] => [
    `node${index}`,
    () =>
      directory({
        meminfo: text(() => nodeText(state, index)),
        // Whatever is written (drivers/base/node.c and mm/compaction.c:compact_store).
        ...(state.spec.memory?.compacts && {
          compact: trigger(() => {
            compact(state, index);
          }),
        }),
        hugepages: pools(state, index),
      }),
  ]);
  return nodes.length === 0 ? undefined : directory(Object.fromEntries(nodes));
}

/** Files of /proc: meminfo, buddyinfo, and the trigger of compaction below sys/vm. */
export function memoryFiles(state: MachineState): Record<'proc' | 'vm', Record<string, Node>> {
  if (!state.memory) return { proc: {}, vm: {} };
  const only1 = profileOf(state.spec.kernel).compactsForOneOnly;
  const compactMemory: File = {
    kind: 'file',
    store: (data) => {
      if (only1 && decimalNumber(data) !== 1) return failed('EINVAL');
      compact(state);
      return done;
    },
  };
  return {
    proc: { meminfo: text(() => wholeText(state)), buddyinfo: text(() => blocksText(state)) },
    vm: state.spec.memory?.compacts ? { compact_memory: compactMemory } : {},
  };
}

function pools(state: MachineState, node?: number): Directory {
  const each = (state.memory?.pools ?? []).map((pool): [string, Node] => [
    `hugepages-${pool.sizeKb}kB`,
    poolDirectory(state, pool, node),
  ]);
  return directory(Object.fromEntries(each));
}

function poolDirectory(state: MachineState, pool: Pool, node: number | undefined): Directory {
  const number = (field: keyof NodePool): number =>
    (node === undefined ? undefined : pool.nodes[node])?.[field] ?? sumOf(pool, field);
  return directory({
    nr_hugepages: {
      kind: 'file',
      text: () => `${number('nr')}\n`,
      store: (data) => {
        const count = decimalNumber(data);
        return typeof count === 'string' ? failed(count) : setPoolSize(state, pool.sizeKb, node, count);
      },
    },
    free_hugepages: text(() => `${number('free')}\n`),
    surplus_hugepages: text(() => `${number('surplus')}\n`),
    // Promises are made for all nodes together.
    ...(node === undefined && { resv_hugepages: text(() => `${pool.reserved}\n`) }),
  });
}

function trigger(action: () => void): File {
  return {
    kind: 'file',
    store: () => {
      action();
      return done;
    },
  };
}

/** Broken memory is full of cached files, which can be given up or moved. */
function nodeText(state: MachineState, index: number): string {
  const total = state.spec.memory?.nodes[index]?.totalKb ?? 0;
  const { availableKb, wholeKb } = state.memory?.nodes[index] ?? { availableKb: 0, wholeKb: 0 };
  const lines = [
    ['MemTotal', total],
    ['MemFree', wholeKb],
    ['Active(file)', 0],
    ['Inactive(file)', availableKb - wholeKb],
    ['SReclaimable', 0],
  ] as const;
  return lines
    .map(([name, kb]) => `Node ${index} ${`${name}:`.padEnd(15)} ${String(kb).padStart(8)} kB\n`)
    .join('');
}

function wholeText(state: MachineState): string {
  const nodes = state.memory?.nodes ?? [];
  const total = (state.spec.memory?.nodes ?? []).reduce((sum, node) => sum + node.totalKb, 0);
  const whole = nodes.reduce((sum, node) => sum + node.wholeKb, 0);
  const available = nodes.reduce((sum, node) => sum + node.availableKb, 0);
  // The first pool is that of the default size.
  const [pool] = state.memory?.pools ?? [];
  const lines = [
    `MemTotal:       ${String(total).padStart(8)} kB`,
    `MemFree:        ${String(whole).padStart(8)} kB`,
    `MemAvailable:   ${String(available).padStart(8)} kB`,
    `HugePages_Total:   ${String(pool ? sumOf(pool, 'nr') : 0).padStart(5)}`,
    `HugePages_Free:    ${String(pool ? sumOf(pool, 'free') : 0).padStart(5)}`,
    `HugePages_Rsvd:    ${String(pool?.reserved ?? 0).padStart(5)}`,
    `HugePages_Surp:    ${String(pool ? sumOf(pool, 'surplus') : 0).padStart(5)}`,
    `Hugepagesize:   ${String(pool?.sizeKb ?? 0).padStart(8)} kB`,
  ];
  return `${lines.join('\n')}\n`;
}

/** Orders 0 to 10 of 4 KiB (mm/vmstat.c:frag_show): unbroken memory is in the largest blocks, the rest in single pages. */
function blocksText(state: MachineState): string {
  const nodes = state.memory?.nodes ?? [];
  return nodes
    .map(({ availableKb, wholeKb }, index) => {
      const counts = Array.from({ length: 11 }, () => 0);
      counts[10] = Math.floor(wholeKb / 4096);
      counts[9] = Math.floor((wholeKb % 4096) / 2048);
      counts[0] = Math.floor((availableKb - wholeKb) / 4);
      return `Node ${index}, zone   Normal ${counts.map((count) => String(count).padStart(6)).join(' ')} \n`;
    })
    .join('');
}
