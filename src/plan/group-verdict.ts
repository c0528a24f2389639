import { advice, type Hint } from '../hint.ts';
import type { Claim } from '../claim/claim.ts';
import { slotOf, type PciAddress } from '../pci/address.ts';
import type { IommuGroup, PciDevice } from '../pci/device.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import type { DeviceWishes } from './judgement.ts';
import { plan } from './plan.ts';
import type { RefuseCode, RefuseVerdict, Verdict } from './verdict.ts';

/** Whether a guest could be given a whole IOMMU group now. */
export type GroupVerdict =
  /** A guest that is assigned every device of the group would start */
  | { readonly kind: 'possible'; readonly reasons: readonly [] }
  /** A guest, or another program, has it or a part of it */
  | { readonly kind: 'held'; readonly reasons: readonly GroupReason[] }
  /** The hook would refuse the guest */
  | { readonly kind: 'refused'; readonly reasons: readonly GroupReason[] }
  /** A guest may have it, which only root can see */
  | { readonly kind: 'unknown'; readonly reasons: readonly [] }
  /** Nothing in it is for guests: bridges, parts of the chipset, devices that are no PCI devices */
  | { readonly kind: 'nothing'; readonly reasons: readonly [] };

/** What stands in the way, and what can be done. */
export interface GroupReason {
  /** `stuck`: an earlier kernel write has not returned; see {@link RefuseCode} for the others. */
  readonly code: RefuseCode | 'stuck';
  readonly device: PciAddress;
  readonly reason: string;
  readonly hints: readonly Hint[];
}

/** What a group is judged by. */
export interface GroupCase {
  readonly group: IommuGroup;
  /** The group, at least. */
  readonly snapshot: Snapshot;
  readonly claims: readonly Claim[];
  /** What the configuration asks for a device of any guest. */
  readonly wishesFor: (device: PciDevice) => DeviceWishes;
  /** As in a plan. */
  readonly allowUnsafeInterrupts?: boolean;
}

/** A group's verdict, and the one on each member that it came from. */
export interface JudgedGroup {
  readonly verdict: GroupVerdict;
  readonly members: readonly Verdict[];
}

/**
 * Judges a group as the hook would for a guest that is new and is assigned every endpoint of it, `managed='no'`.
 * What the hook lets no guest have by itself (bridges, chipset functions) is left out of that guest's XML,
 * as a person would leave it out.
 */
export function judgeGroup(current: GroupCase): JudgedGroup {
  const { group, claims } = current;
  const snapshot = only(current.snapshot, group);
  const verdictsFor = (assigned: readonly PciAddress[]): readonly Verdict[] =>
    plan({
      owner: { kind: 'guest', name: '', uuid: '' },
      hostdevs: assigned.map((address) => ({ kind: 'pci', address, managed: false })),
      snapshot,
      claims,
      wishesFor: current.wishesFor,
      allowUnsafeInterrupts: current.allowUnsafeInterrupts ?? false,
    }).verdicts;

  const endpoints = snapshot.devices.filter(({ headerType }) => headerType === 'endpoint');
  const never = verdictsFor(endpoints.map(({ address }) => address))
    .filter((verdict) => verdict.kind === 'refuse' && verdict.code === 'not-assignable')
    .map(({ device }) => device);
  const wanted = endpoints.map(({ address }) => address).filter((address) => !never.includes(address));
  const members = verdictsFor(wanted);
  if (wanted.length === 0) return { verdict: { kind: 'nothing', reasons: [] }, members };

  const refused = members.filter((verdict) => verdict.kind === 'refuse');
  if (refused.length === 0) return { verdict: { kind: 'possible', reasons: [] }, members };
  const reasons = refused.map((verdict) => withAdvice(verdict, wanted));
  const held = refused.some(({ code }) => code === 'claimed' || code === 'in-use');
  return { verdict: { kind: held ? 'held' : 'refused', reasons }, members };
}

/**
 * What ACS is, for a group in which a device is kept from guests by something else, and what the well-known way
 * around it costs (Documentation/driver-api/vfio.rst, "Groups, Devices, and IOMMUs").
 */
export const acsHints: readonly Hint[] = [
  advice(
    'devices share an IOMMU group when the hardware between them lets them reach each other, because a port has no ACS (Access Control Services); another slot may be behind a port that has it',
  ),
  advice(
    'the pcie_acs_override patch of some kernels only pretends that ports have ACS: groups look smaller, but a guest with such a device may then read and write the memory of other guests and of the host',
  ),
];

function withAdvice(
  { code, device, reason, hints }: RefuseVerdict,
  wanted: readonly PciAddress[],
): GroupReason {
  const elsewhere = wanted.some((address) => slotOf(address) !== slotOf(device));
  const shared = COMPANION.includes(code) || (!OWN.includes(code) && elsewhere);
  return { code, device, reason, hints: shared ? [...hints, ...acsHints] : hints };
}

/** What is in the way only because it is in the group. */
const COMPANION: readonly RefuseCode[] = ['system-device', 'bridge-driver', 'other-bus'];
/** What another slot would not change. */
const OWN: readonly RefuseCode[] = [
  'claimed',
  'in-use',
  'virtual-functions',
  'mediated-devices',
  'driver',
  'interrupts',
  'vfio',
  'no-answer',
  'bar',
  'setting',
  'not-assignable',
];

function only(snapshot: Snapshot, group: IommuGroup): Snapshot {
  return {
    ...snapshot,
    groups: [group],
    devices: snapshot.devices.filter(({ address }) => group.members.includes(address)),
  };
}
