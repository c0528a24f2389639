import { advice } from '../hint.ts';
import { holdsFor, type Claim, type ClaimedDevice } from '../claim/claim.ts';
import { ownerPhrase } from '../claim/owner.ts';
import type { Config } from '../config/config.ts';
import { VfioHookError } from '../errors.ts';
import { describeHolders } from '../observe/describe-holders.ts';
import { groupsOf, presentGroups, takeSnapshot } from '../observe/take-snapshot.ts';
import type { PciAddress } from '../pci/address.ts';
import { isBridgeClass, isSystemClass } from '../pci/class.ts';
import type { PciDevice } from '../pci/device.ts';
import { deviceAt, type Snapshot } from '../pci/snapshot.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { KnownDriver } from '../pci/known-driver.ts';
import { isVfioName } from '../pci/vfio-name.ts';
import { driverRefusal } from '../plan/driver.ts';
import { planRestore } from '../plan/restore.ts';
import type { Step } from '../steps/step.ts';
import { isAway, planToHost } from '../plan/to-host.ts';
import { refuseBlocked } from './blocked.ts';
import { refuseDamaged } from './claim-store.ts';
import type { Engine } from './engine.ts';
import { wasGivenBack } from './given-back.ts';
import { wayBack } from './holds.ts';
import { claimOfMdev, refusalOfMdev } from './reattach-mdevs.ts';
import { timeoutsForWayBack } from './timeouts.ts';

/** What is to go back to the host. */
export interface ReattachRequest {
  readonly devices: readonly PciAddress[];
  /** Mediated devices that a detach has made, by their UUIDs; the others of that detach go along. */
  readonly mdevs?: readonly string[] | undefined;
  /** The driver to bind to a device of which nobody knows what it had before. */
  readonly driver?: string | undefined;
  /** Pass over devices that are in use, in place of refusing all. */
  readonly skipRefused: boolean;
}

/** Which devices go back, and how. */
export interface Reattachment {
  /** Devices that a detach holds: what they were before is known. None for one of mediated devices. */
  readonly detached: readonly { readonly claim: Claim; readonly devices: readonly ClaimedDevice[] }[];
  /** Devices that somebody else took from the host: its drivers are asked. */
  readonly strangers: readonly PciDevice[];
  /** Devices that the host has already. */
  readonly settled: readonly PciAddress[];
  /** Those of them that are away from the host, as they were before a detach that is over. */
  readonly returned: readonly PciAddress[];
  readonly refused: readonly VfioHookError[];
  readonly snapshot: Snapshot;
  /** What will be written, in order, as far as it can be known before. */
  readonly steps: readonly Step[];
  /** What was found otherwise and is left alone. */
  readonly notes: readonly string[];
  readonly timeouts: Config['timeouts'];
}

/** Decides, and changes nothing: for a dry run. */
export async function planReattach(engine: Engine, request: ReattachRequest): Promise<Reattachment> {
  const { host } = engine;
  const { timeouts, notes } = timeoutsForWayBack(engine);
  const stored = engine.store.all();
  refuseDamaged(stored);
  const groups = groupsOfReattach(engine, request, stored.claims);
  const held = claimsOfReattach(request, stored.claims);
  refuseBlocked(host, stored.claims, [...groups, ...held.flatMap((claim) => claim.groups)]);
  const snapshot = await takeSnapshot(host, groups, {
    deadlineMs: timeouts.kernelWrite,
    uses: 'unread',
    drivers: request.driver === undefined ? [] : [request.driver],
  });
  const missing = snapshot.asked.find(({ kind }) => kind === 'missing');
  if (missing) throw noDriver(missing);

  const refused: VfioHookError[] = [];
  const detached = new Map<Claim, Set<ClaimedDevice>>();
  const strangers = new Set<PciDevice>();
  const settled: PciAddress[] = [];
  const returned: PciAddress[] = [];
  for (const address of request.devices) {
    const claim = manualClaim(stored.claims, address);
    if (!claim && request.driver === undefined && isReturned(engine, snapshot, address)) {
      settled.push(address);
      returned.push(address);
      continue;
    }
    const members = claim ? claimedTogether(claim, address) : awayTogether(snapshot, address, stored.claims);
    const why =
      members.map((member) => reasonToRefuse(engine, member.address, stored.claims)).find(Boolean) ??
      (claim && request.driver !== undefined ? chosenInVain(address) : undefined);
    if (why) refused.push(why);
    else if (members.length === 0) settled.push(address);
    else if (claim) {
      const known = detached.get(claim) ?? new Set();
      detached.set(claim, known);
      for (const each of claim.devices) if (members.some((m) => m.address === each.address)) known.add(each);
    } else {
      for (const member of members) {
        const device = deviceAt(snapshot, member.address);
        if (device) strangers.add(device);
      }
    }
  }
  for (const uuid of request.mdevs ?? []) {
    const claim = claimOfMdev(stored.claims, uuid);
    const why = refusalOfMdev(host, uuid, stored.claims);
    if (why) refused.push(why);
    else if (claim) detached.set(claim, detached.get(claim) ?? new Set());
  }
  const parts = [...detached].map(([claim, devices]) => ({ claim, devices: [...devices] }));
  const ways = parts.map(({ devices }) => planRestore({ devices }, snapshot));
  const backs = await Promise.all(
    parts.map(({ claim, devices }) =>
      wayBack(engine, { ...claim, holds: holdsFor(claim, devices) }, timeouts.kernelWrite),
    ),
  );
  const away = [...strangers];
  return {
    detached: parts,
    strangers: away,
    settled,
    returned,
    refused: unique(refused),
    snapshot,
    steps: [
      ...ways.flatMap(({ steps }) => steps),
      ...backs.flatMap(({ changes }) => changes.flatMap(({ steps }) => steps)),
      ...(away.length > 0 ? planToHost(away, snapshot, request.driver) : []),
    ],
    notes: [...notes, ...[...ways, ...backs].flatMap((way) => [...way.notes, ...way.left])],
    timeouts,
  };
}

/** The groups in which something changes. Throws VH_NO_DEVICE and VH_NO_IOMMU for devices that no detach holds. */
export function groupsOfReattach(
  { host }: Engine,
  { devices }: ReattachRequest,
  claims: readonly Claim[],
): number[] {
  const others = devices.filter((address) => !manualClaim(claims, address));
  const held = devices.flatMap((address) => {
    const claim = manualClaim(claims, address);
    return claim ? claimedTogether(claim, address).map((device) => device.address) : [];
  });
  return [...new Set([...groupsOf(host, others), ...presentGroups(host, held)])];
}

/** The detaches that hold one of the devices. */
export function claimsOfReattach(
  { devices, mdevs = [] }: Pick<ReattachRequest, 'devices' | 'mdevs'>,
  claims: readonly Claim[],
): readonly Claim[] {
  return [
    ...new Set([
      ...devices.flatMap((address) => manualClaim(claims, address) ?? []),
      ...mdevs.flatMap((uuid) => claimOfMdev(claims, uuid) ?? []),
    ]),
  ];
}

function manualClaim(claims: readonly Claim[], address: PciAddress): Claim | undefined {
  return claims.find(
    ({ owner, devices }) => owner.kind === 'manual' && devices.some((device) => device.address === address),
  );
}

/** What was detached with a device, since its group is whole on vfio drivers or not at all. */
function claimedTogether(claim: Claim, address: PciAddress): readonly ClaimedDevice[] {
  const one = claim.devices.find((device) => device.address === address);
  if (one?.driver !== undefined && !isVfioName(one.driver)) return [one];
  return claim.devices.filter(({ group }) => group === one?.group);
}

/** A device that is kept from the host, and what shares its group on a vfio driver. Empty: the host has it. */
function awayTogether(
  snapshot: Snapshot,
  address: PciAddress,
  claims: readonly Claim[],
): readonly PciDevice[] {
  const device = deviceAt(snapshot, address);
  if (!device || !isAway(device) || isPartOfBoard(device)) return [];
  return snapshot.devices.filter(
    (each) =>
      each === device ||
      (each.iommuGroup === device.iommuGroup && each.onVfio && !manualClaim(claims, each.address)),
  );
}

function isReturned(engine: Engine, snapshot: Snapshot, address: PciAddress): boolean {
  const device = deviceAt(snapshot, address);
  return device !== undefined && isAway(device) && wasGivenBack(engine, device);
}

/** Without a driver as often as not, and nothing to offer to one. */
function isPartOfBoard({ headerType, class: code, onVfio }: PciDevice): boolean {
  return headerType !== 'endpoint' || (!onVfio && (isBridgeClass(code) || isSystemClass(code)));
}

function reasonToRefuse(
  { host }: Engine,
  address: PciAddress,
  claims: readonly Claim[],
): VfioHookError | undefined {
  const cannot = `cannot give ${address} back to the host`;
  const holder = claims.find(
    ({ owner, devices }) => owner.kind !== 'manual' && devices.some((device) => device.address === address),
  );
  if (holder) {
    return new VfioHookError('VH_BUSY', `${cannot}: ${ownerPhrase(holder.owner)} holds it`, {
      device: address,
      hints: [advice('shut it down first; if it is not running, vfio-hook recover gives its devices back')],
    });
  }
  for (const group of presentGroups(host, [address])) {
    if (host.tryOpen(sysfs.vfioGroup(group)) !== 'busy') continue;
    const where = describeHolders(host.holders([sysfs.vfioGroup(group)]));
    return new VfioHookError('VH_BUSY', `${cannot}: IOMMU group ${group} is open in ${where}`, {
      device: address,
      hints: [advice(`end the guest or program that uses ${address} first`)],
    });
  }
  return undefined;
}

function chosenInVain(address: PciAddress): VfioHookError {
  return new VfioHookError('VH_USAGE', `${address} gets back the driver that it had before its detach`, {
    device: address,
    hints: [advice('leave out --driver')],
  });
}

/** Each reason once: every function of a card may have the same. */
function unique(errors: readonly VfioHookError[]): VfioHookError[] {
  return [...new Map(errors.map((error) => [error.message, error])).values()];
}

function noDriver(missing: KnownDriver): VfioHookError {
  const unfit = driverRefusal(missing, { for: 'manual', assigned: true });
  return new VfioHookError('VH_REFUSED', unfit?.reason ?? '', { hints: unfit ? [unfit.hint] : [] });
}
