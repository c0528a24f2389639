import type { PciAddress } from '../../pci/address.ts';
import type { DeviceUse } from '../../pci/use.ts';
import type { Host } from '../../host/host.ts';
import { disksBehind, readBlockDevices } from './block.ts';
import { claimedUse, mountedUse, swapUse, type Way } from './disk-sentences.ts';
import { followDisk, type Finding, type Found, type Mounted, type Swap } from './follow.ts';
import { withOpenings, type OpenExclusively } from './openings.ts';
import { readStorage, type Storage } from './storage.ts';

/**
 * What the host uses the disks behind these PCI devices for: file systems, swap space, and volumes and pools of
 * which no more is known than that they have claimed a disk. One use for each file system and swap space and for
 * each disk or partition otherwise claimed, in the order of the devices, then file systems, swap space, other claims.
 *
 * The devices must be no bridges: everything behind a bridge would be counted to it. Disks of which nothing is
 * known are opened exclusively for a moment. Throws VH_STUCK when one of them does not answer within the deadline.
 */
export function diskUses(
  host: Host,
  devices: readonly PciAddress[],
  deadlineMs: number,
): Promise<DeviceUse[]> {
  return withOpenings(host, deadlineMs, (open) => usesFound(host, devices, open));
}

function usesFound(host: Host, devices: readonly PciAddress[], open: OpenExclusively): DeviceUse[] {
  const blocks = readBlockDevices(host);
  let storage: Storage | undefined;
  return devices.flatMap((device) => {
    const disks = disksBehind(host, blocks, device);
    if (disks.length === 0) return [];
    const read = (storage ??= readStorage(host, blocks));
    const found = disks.flatMap((disk) => followDisk(host, read, disk, open));
    return [
      ...waysTo<Mounted>(found, 'mounted').map((way) => mountedUse(host, way)),
      ...waysTo<Swap>(found, 'swap').map((way) => swapUse(host, way)),
      ...found.flatMap(({ base, finding }) =>
        finding.kind === 'claimed' ? claimedUse(host, base, finding) : [],
      ),
    ].map((use) => ({ device, ...use }));
  });
}

/** Several ways may lead to one file system: RAID members on one controller, the parts of a thin pool. */
function waysTo<Use extends Mounted | Swap>(found: readonly Found[], kind: Use['kind']): Way<Use>[] {
  const ways = new Map<string, Way<Use>>();
  for (const { base, finding } of found) {
    if (!isKind<Use>(finding, kind)) continue;
    const known = ways.get(finding.key);
    if (!known || finding.chain.length < known.finding.chain.length) {
      ways.set(finding.key, { bases: [base], finding });
    } else if (finding.chain.join() === known.finding.chain.join() && !known.bases.includes(base)) {
      ways.set(finding.key, { ...known, bases: [...known.bases, base] });
    }
  }
  return [...ways.values()];
}

function isKind<Use extends Finding>(finding: Finding, kind: Use['kind']): finding is Use {
  return finding.kind === kind;
}
