import { ownerPhrase } from '../../claim/owner.ts';
import type { InspectedDevice, InspectedGroup } from '../../engine/inspect.ts';
import { isOftenGiven } from '../../pci/class.ts';
import { isMdevUuid } from '../../pci/mdev.ts';
import { vgpuWords } from '../../pci/vgpu.ts';
import { quoteName } from '../../text.ts';

/** Whether a guest could have the group, in words. */
export function verdictWords({ devices, holders, group, verdict }: InspectedGroup): string {
  switch (verdict.kind) {
    case 'possible':
      return 'can be given to a guest';
    case 'unknown':
      return 'is on a vfio driver; whether a guest has it only root can see';
    case 'nothing':
      if (!isOfMdev(group)) return 'nothing in it is for guests';
      return holders[0] ? holderWords(holders[0]) : 'is of a mediated device: see vfio-hook mdev';
    case 'refused':
      return 'cannot be given to a guest as it is';
    case 'held': {
      const claim = devices.find((device) => device.claim)?.claim;
      const [holder] = holders;
      if (claim) {
        const state = claim.state === 'held' ? '' : ` (${claim.state})`;
        return `${ownerPhrase(claim.owner)} has it since ${claim.claimedAt}${state}`;
      }
      if (holder) return holderWords(holder);
      if (group.open) return `a process has /dev/vfio/${group.number} open`;
      // Of what is made of it somebody has a part.
      return verdict.reasons[0]?.reason ?? 'somebody has it';
    }
  }
}

function holderWords({ guest, name, pid }: InspectedGroup['holders'][number]): string {
  return guest === undefined
    ? `process ${quoteName(name)} has it open (pid ${pid})`
    : `guest ${quoteName(guest)} has it (pid ${pid})`;
}

function isOfMdev({ otherMembers }: InspectedGroup['group']): boolean {
  return otherMembers.some(isMdevUuid);
}

/** What lives on a virtual function of NVIDIA's own framework: `vGPU type 1152 (NVIDIA L40S-8Q)`; empty: nothing. */
export function vgpuFacts({ vgpu }: InspectedDevice): string[] {
  if (!vgpu || vgpu.type === 0) return [];
  const { type: id, name } = vgpu;
  return [`vGPU ${vgpuWords(id, name === undefined ? [] : [{ id, name }])}`];
}

/** The name of the guest or program that has a group, without marks around it; undefined when nobody is known to. */
export function ownerName({ devices, holders }: InspectedGroup): string | undefined {
  const claim = devices.find((device) => device.claim)?.claim;
  const [holder] = holders;
  if (!claim) return holder?.guest ?? holder?.name;
  return claim.owner.kind === 'guest' ? claim.owner.name : ownerPhrase(claim.owner);
}

/** Whether a group has what a person looks for: something to hand over, or something that is handed over. */
export function isOfInterest({ devices, group, verdict }: InspectedGroup): boolean {
  if (verdict.kind === 'held' || isOfMdev(group)) return true;
  return devices.some(
    ({ device, claim }) =>
      device.headerType === 'endpoint' &&
      (isOftenGiven(device.class) || device.onVfio || claim !== undefined),
  );
}
