import type { HoldId, HoldKind } from '../claim/hold.ts';
import type { Host } from '../host/host.ts';
import { mdevGroup } from '../observe/mdev.ts';
import type { Seen, SeenOf } from './kind.ts';
import { readConsoles, readFramebuffers } from './display/read-display.ts';
import { readMdevs } from './mdev/read-mdevs.ts';
import { readModules, readVfioModules } from './modules/read-modules.ts';
import { readPersistence } from './nvidia/read-persistence.ts';
import { readUnitStates } from './services/read-units.ts';
import { readVf, readVfMac, readVfResource } from './sriov/read-vf.ts';
import { readVfs } from './sriov/read-vfs.ts';
import { readCpus } from './tuning/read-cpus.ts';
import { readFrequency } from './tuning/read-frequency.ts';
import { readHugepages } from './tuning/read-hugepages.ts';
import { readIrqs } from './tuning/read-irqs.ts';
import { readParameters } from './tuning/read-parameters.ts';
import { readVgpus } from './vgpu/read-vgpu.ts';

/**
 * Looks at things of one kind, all at once; what is not there is left out. Throws VH_STUCK when the kernel does not
 * answer in time.
 */
export type Reader<K extends HoldKind> = (
  host: Host,
  keys: readonly string[],
  deadlineMs: number,
) => Promise<ReadonlyMap<string, SeenOf<K>>>;

/** How each kind is read. One that is missing does not compile. */
const readers: { readonly [K in HoldKind]: Reader<K> } = {
  unit: readUnitStates,
  console: readConsoles,
  framebuffer: readFramebuffers,
  persistence: readPersistence,
  module: readModules,
  'vfio-modules': readVfioModules,
  vfs: readVfs,
  vgpu: readVgpus,
  mdev: readMdevs,
  vf: readVf,
  'vf-mac': readVfMac,
  'vf-resource': readVfResource,
  hugepages: readHugepages,
  cpus: readCpus,
  irq: readIrqs,
  frequency: readFrequency,
  parameter: readParameters,
};

/** Looks at things of any kinds. Returns what was seen of each; undefined for what is not there or was not asked for. */
export async function readHolds(
  host: Host,
  ids: readonly HoldId[],
  deadlineMs: number,
): Promise<(id: HoldId) => Seen | undefined> {
  const seen = new Map<HoldKind, ReadonlyMap<string, Seen>>();
  for (const kind of new Set(ids.map((id) => id.kind))) {
    const keys = [...new Set(ids.filter((id) => id.kind === kind).map(({ key }) => key))];
    seen.set(kind, await readers[kind](host, keys, deadlineMs));
  }
  return ({ kind, key }) => seen.get(kind)?.get(key);
}

/** The IOMMU groups that are open while somebody uses what is held, where a thing has one of its own. */
export function groupsOfHolds(host: Host, ids: readonly HoldId[]): readonly number[] {
  return ids.flatMap(({ kind, key }) => (kind === 'mdev' ? (mdevGroup(host, key) ?? []) : []));
}
