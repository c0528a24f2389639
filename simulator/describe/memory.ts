import type { Host } from '../../src/host/host.ts';
import { readPoolPages } from '../../src/observe/hugepages.ts';
import { memoryNodes, readMemory, readWholeKb } from '../../src/observe/memory.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import type { WrittenDescription } from '../description-schema.ts';
import { sizeText } from './device.ts';

/** Huge pages of x86; other sizes are not written down. */
const SIZES_KB = [2048, 1_048_576] as const;

/** Memory and huge pages of each node; undefined where the kernel shows no nodes, or not every one from 0 on. */
export function describeMemory(host: Host): WrittenDescription['memory'] {
  const nodes = memoryNodes(host);
  if (!nodes || nodes.length === 0 || nodes.some((node, index) => node !== index)) return undefined;
  const sizes = SIZES_KB.filter((sizeKb) => readPoolPages(host, { sizeKb }) !== undefined);
  return {
    nodes: nodes.map((node) => {
      const { totalKb, availableKb } = readMemory(host, node);
      const wholeKb = Math.min(readWholeKb(host, SIZES_KB[0], node), availableKb);
      const pages = sizes.flatMap((sizeKb) => {
        const count = readPoolPages(host, { sizeKb, node }) ?? 0;
        return count > 0 ? [{ size: kb(sizeKb), count }] : [];
      });
      return {
        total: kb(totalKb),
        available: kb(Math.min(availableKb, totalKb)),
        ...(wholeKb < availableKb && { whole: kb(wholeKb) }),
        ...(pages.length > 0 && { pages }),
      };
    }),
    ...(sizes.length < SIZES_KB.length && { sizes: sizes.map(kb) }),
    ...(host.status(sysfs.compactMemory()) === undefined && { compacts: false }),
  };
}

function kb(number: number): string {
  return sizeText(number * 1024);
}
