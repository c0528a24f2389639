import { memorySentences } from './description-memory.ts';
import type { Description, DeviceDescription } from './description-schema.ts';

/** Something that cannot be true of one machine. */
export interface Contradiction {
  /** Where it stands. */
  readonly keys: readonly (string | number)[];
  readonly sentence: string;
}

/** What contradicts itself in a description that fits the schema. */
export function contradictions(description: Description): Contradiction[] {
  const seen = new Map<string, DeviceDescription>();
  const ofDevices = description.devices.flatMap((device, index) => {
    const sentences = sentencesAbout(device, seen, description);
    seen.set(device.address, device);
    return sentences.map((sentence) => ({
      keys: ['devices', index],
      sentence: `${device.address} ${sentence}`,
    }));
  });
  const ofMemory = description.memory ? memorySentences(description.memory) : [];
  return [...ofDevices, ...ofMemory.map((sentence) => ({ keys: ['memory'], sentence }))];
}

function sentencesAbout(
  device: DeviceDescription,
  before: ReadonlyMap<string, DeviceDescription>,
  description: Description,
): string[] {
  const sentences: string[] = [];
  if (before.has(device.address)) sentences.push('is there twice');
  if (device.behind !== undefined) {
    const bridge = before.get(device.behind);
    if (!bridge) sentences.push(`is behind ${device.behind}, which is not described above it`);
    else if (!bridge.class.startsWith('0604'))
      sentences.push(`is behind ${device.behind}, which is no bridge`);
  }
  if (description.iommu && device.group === undefined) sentences.push('has no IOMMU group');
  if (device.bootVga && !device.class.startsWith('0300')) sentences.push('is boot VGA without class 0300');
  for (const [bar, { size, sizes }] of Object.entries(device.bars)) {
    if (!Number.isInteger(Math.log2(size))) sentences.push(`has a BAR ${bar} whose size is no power of two`);
    if (sizes.length > 0 && !sizes.includes(size))
      sentences.push(`has a BAR ${bar} of a size that it does not offer`);
  }
  if (device.sriov && device.sriov.active > device.sriov.total)
    sentences.push('has more active VFs than it can have');
  return sentences;
}
