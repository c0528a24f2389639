import { sysfs } from '../pci/sysfs.ts';
import { outcomeOf, type StepDefinition } from './definition.ts';
import type { CompactMemory } from './step.ts';

/**
 * Moves what is in memory together (mm/compaction.c:sysctl_compaction_handler, compact_store). The kernel says nothing
 * of what came of it: the pages that are made next do.
 */
export const compactMemory: StepDefinition<CompactMemory> = {
  describe: ({ node }) => `compact the memory${node === undefined ? '' : ` of node ${node}`}`,
  command: ({ node }) => `echo 1 > ${sysfs.compactMemory(node)}`,
  already: () => Promise.resolve(false),
  apply: async ({ node }, host, deadlineMs) => {
    const path = sysfs.compactMemory(node);
    return outcomeOf(await host.write(path, '1', deadlineMs), path, {
      ENOENT: 'this kernel compacts no memory (CONFIG_COMPACTION)',
    });
  },
  verify: () => Promise.resolve(undefined),
};
