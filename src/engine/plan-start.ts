import { advice } from '../hint.ts';
import type { Claim, GuestOwner } from '../claim/claim.ts';
import { claimKey, guestOwner, ownerPhrase } from '../claim/owner.ts';
import type { Config } from '../config/config.ts';
import type { HoldId } from '../claim/hold.ts';
import { mdevHostdevs, pciHostdevs, type Domain, type PciHostdev } from '../domain/domain.ts';
import { VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { profilePlace } from '../observe/function-profile.ts';
import { hostCpuList } from '../observe/cpus.ts';
import { policiesOf } from '../observe/frequency.ts';
import { movableIrqs } from '../observe/irqs.ts';
import { offeredVariants } from '../observe/known-drivers.ts';
import { canonicalUnit } from '../observe/units.ts';
import { readMdev } from '../observe/mdev.ts';
import { mdevctlDefinition } from '../observe/mdevctl.ts';
import { groupOf } from '../observe/read-device.ts';
import { groupsOf, noDevice } from '../observe/take-snapshot.ts';
import { routingOf, virtualFunctions } from '../observe/virtual-functions.ts';
import { nvidiaHost } from './nvidia-host.ts';
import { vgpuCardOf } from './vgpu-cards.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { deviceAt, type Snapshot } from '../pci/snapshot.ts';
import { sysfs } from '../pci/sysfs.ts';
import { VFIO_PCI } from '../plan/driver.ts';
import type { Wish } from '../resource/kind.ts';
import { kindOf } from '../resource/kinds.ts';
import { expectAfter, type HoldPlan } from '../resource/plan-holds.ts';
import { groupsOfHolds } from '../resource/readers.ts';
import { strangeFunctions } from '../resource/sriov/card-wishes.ts';
import { promisedBy, wishesOf, type KnownMdev, type Places } from '../resource/wishes.ts';
import { quoteName } from '../text.ts';
import { refuseBlocked, refuseBlockedHolds } from './blocked.ts';
import { refuseDamaged } from './claim-store.ts';
import { displayCards, displayPlaces, withDisplayAllowed } from './display.ts';
import type { Engine } from './engine.ts';
import { changesDevices, decideHolds, locksOf, locksOfGroups } from './holds.ts';
import { makePlan, type PlannedStart } from './make-plan.ts';
import type { RunLocks } from './lock.ts';
import { sharedOfStart } from './unsafe-interrupts.ts';
import { isHeldByYounger } from './younger.ts';

/*
 * Everything that prepare looks at before its first change, in its order; between the functions it takes its locks.
 * `vfio-hook plan` comes through here, too: what one of them refuses, the other one does.
 */

/** A start of a guest that concerns the host. */
export interface Start {
  readonly owner: GuestOwner;
  readonly hostdevs: readonly PciHostdev[];
  /** What it needs besides devices. */
  readonly wishes: readonly Wish[];
  readonly config: Config;
}

/**
 * What the start of a guest is about; undefined when it is none of our business: no PCI device is assigned and no mediated
 * one that is there or could be made, no claim is left from an earlier run, and no configuration of its own wants anything
 * for it. What the configuration of all guests
 * says alone is for guests with devices: were it broken, no other guest must be kept from its start.
 * Throws VH_CONFIG, and VH_XML for a model that is no vfio driver.
 */
export function startOf(engine: Engine, guest: Domain): Start | undefined {
  const hostdevs = pciHostdevs(guest);
  const owner = guestOwner(guest);
  const own = (): Claim | undefined => engine.store.one(claimKey(owner)).claims[0];
  const isOurs = hostdevs.length > 0 || own() !== undefined;
  const mayWish = mdevHostdevs(guest).length > 0 || engine.hasOwnConfig?.(guest) === true;
  if (!isOurs && !mayWish) return undefined;
  refuseForeignModels(engine.host, owner, hostdevs);
  const written = engine.loadConfig(guest);
  const { display } = written;
  const cards = display ? displayCards(engine.host, display, hostdevs) : [];
  const config = display ? withDisplayAllowed(written, engine.host, cards) : written;
  const places = {
    ...placesOn(engine.host, config),
    ...(display && { display: displayPlaces(engine.host, cards, own()) }),
    nvidia: (assigned: readonly PciAddress[]) => nvidiaHost(engine.host, assigned, own),
  };
  refuseStrange(owner, config, hostdevs, places);
  const wishes = wishesOf(config, guest, places);
  return isOurs || wishes.length > 0 ? { owner, hostdevs, wishes, config } : undefined;
}

/** Where this host has what the configuration is about. */
export function placesOn(host: Host, { sriov }: Pick<Config, 'sriov'>): Places {
  return {
    routingOf: (card) => routingOf(host, card),
    profileOf: (card) => profilePlace(host, card),
    vgpuCardOf: (address) => vgpuCardOf(host, address, sriov),
    knownMdev: (uuid) => knownMdev(host, uuid),
    canonicalUnit: (unit) => canonicalUnit(host, unit),
    policiesOf: (cpus) => policiesOf(host, cpus),
    allCpus: () => hostCpuList(host, 'present'),
    movableIrqs: () => movableIrqs(host),
  };
}

/** A guest's own file is about functions of that guest: whoever may write it has no say over those of others. */
function refuseStrange(
  owner: GuestOwner,
  { sriov }: Config,
  hostdevs: readonly PciHostdev[],
  places: Places,
): void {
  for (const card of sriov) {
    const [vf] = strangeFunctions(card, hostdevs, places);
    if (vf === undefined) continue;
    throw new VfioHookError(
      'VH_CONFIG',
      `the configuration of ${ownerPhrase(owner)} sets virtual function ${vf} of ${card.pf}, which its XML does not assign`,
      {
        device: card.pf,
        hints: [advice('take it out of its file; what is for other guests belongs into config.yaml')],
      },
    );
  }
}

/**
 * A mediated device that no configuration names: as mdevctl would make it; or as it is, so that others learn who has it. One
 * of which nobody knows anything is left to libvirt, and to whatever hook makes it after this one.
 */
function knownMdev(host: Host, uuid: string): KnownMdev | undefined {
  const defined = mdevctlDefinition(host, uuid);
  if (defined) return defined;
  const there = readMdev(host, uuid);
  return there && { ...there, attributes: [] };
}

/**
 * Whoever may write a guest's XML chooses among the drivers that are made for guests, and no others: any other one
 * would do to the host's device what that driver does. libvirt takes every name.
 */
function refuseForeignModels(host: Host, owner: GuestOwner, hostdevs: readonly PciHostdev[]): void {
  const named = hostdevs.filter(({ model }) => model !== undefined && isForeign(model, [VFIO_PCI]));
  if (named.length === 0) return;
  const offered = [VFIO_PCI, ...new Set(offeredVariants(host).map(({ module }) => module))];
  const foreign = named.find(({ model = '' }) => isForeign(model, offered));
  if (!foreign) return;
  throw new VfioHookError(
    'VH_XML',
    `the XML of ${ownerPhrase(owner)} asks for the driver ${quoteName(foreign.model ?? '')} for ${foreign.address}, which is no vfio driver of this kernel`,
    {
      device: foreign.address,
      hints: [advice(`take the model out of its <driver>, or name one that there is: ${offered.join(', ')}`)],
    },
  );
}

function isForeign(model: string, offered: readonly string[]): boolean {
  const plain = (name: string): string => name.replaceAll('-', '_');
  return !offered.some((name) => plain(name) === plain(model));
}

/** What a start locks besides its claim. */
export interface Concern {
  /** IOMMU groups of the assigned devices that are there. */
  readonly wanted: readonly number[];
  /** Those, and the ones of a claim that the guest has already. */
  readonly groups: readonly number[];
  /** What others share with it. */
  readonly shared: readonly string[];
  /** Devices come and go with some of that. */
  readonly makesDevices: boolean;
}

/** Looks it up; under the lock of the claim it stays so. Throws VH_NO_DEVICE, VH_NO_IOMMU. */
export function concernOf({ host, store }: Engine, start: Start): Concern {
  const { owner, hostdevs, wishes, config } = start;
  const [before] = store.one(claimKey(owner)).claims;
  const promised = promisedBy(wishes, (card) => routingOf(host, card));
  const wanted = groupsOf(
    host,
    hostdevs.map(({ address }) => address).filter((address) => !isYetToCome(host, address, promised)),
  );
  const ids: readonly HoldId[] = [...wishes, ...(before?.holds ?? [])];
  return {
    wanted,
    groups: [...wanted, ...(before?.groups ?? [])],
    shared: [
      ...sharedOfStart(host, { owner, config, before }),
      ...locksOf(ids),
      ...locksOfGroups(host, wanted),
    ],
    makesDevices: ids.some(({ kind }) => kindOf(kind).changesDevices),
  };
}

/** Whether a device is not there, and will be once the start has what it wants. */
function isYetToCome(host: Host, address: PciAddress, promised: readonly PciAddress[]): boolean {
  return promised.includes(address) && groupOf(host, address) === undefined;
}

/** A plan, and the claim that the guest has already. */
export interface Planned extends PlannedStart {
  readonly own: Claim | undefined;
  /** The guest runs: it has a claim, and something of it is open. */
  readonly isRunning: boolean;
  readonly holds: HoldPlan;
  /**
   * The holds make devices, or free some: `snapshot` is what the host is expected to be like then, and the devices are
   * planned again from what it is.
   */
  readonly isExpected: boolean;
}

/**
 * Decides. prepare holds the locks meanwhile, so that what it sees stays so. Changes nothing.
 * Throws VH_CLAIM for a claim that cannot be read, VH_STUCK for a device that an earlier write waits for,
 * VH_LOCK while another run of the same guest is at work, VH_BUSY when a younger one has its devices.
 */
export async function planStart(engine: Engine, start: Start, groups: readonly number[]): Promise<Planned> {
  const { host } = engine;
  const { owner, hostdevs, wishes, config } = start;
  const claims = trustedClaims(engine, groups);
  const own = ownClaim(claims, owner);
  if (own) refuseOtherRun(engine, own);
  refuseBlockedHolds(host, claims, wishes);
  const holds = await decideHolds(host, { owner, wishes, claims, deadlineMs: config.timeouts.kernelWrite });
  const asked = hostdevs.map(({ address }) => address);
  const expect = (seen: Snapshot): Snapshot => expectAfter(seen, holds, asked);
  const planned = await makePlan({
    host,
    owner,
    hostdevs,
    groups,
    config,
    claims,
    findScript: engine.findScript,
    expect,
  });
  // What is refused makes no devices: then it is no wonder that they are not there.
  if (holds.refusals.length === 0) refuseMissing(host, asked, planned.snapshot, wishes);
  const isOpen = (group: number): boolean => host.tryOpen(sysfs.vfioGroup(group)) === 'busy';
  const isRunning =
    own !== undefined &&
    (planned.snapshot.groups.some(({ open }) => open) || groupsOfHolds(host, own.holds).some(isOpen));
  return { ...planned, own, isRunning, holds, isExpected: changesDevices(holds) };
}

/**
 * Decides about the devices again, and about what is set of them, once everything that they come from is there: nothing of what was expected is
 * trusted. Takes the locks of their groups in place of those that the run has. Throws as {@link planStart}, VH_NO_DEVICE
 * for a device that has not come, and as `groupsOf`.
 */
export async function planAgain(
  engine: Engine,
  start: Start,
  locks: RunLocks,
): Promise<PlannedStart & { readonly holds: HoldPlan }> {
  const { host } = engine;
  const { owner, hostdevs, wishes, config } = start;
  locks.releaseGroups();
  const asked = hostdevs.map(({ address }) => address);
  const missing = asked.find((address) => groupOf(host, address) === undefined);
  if (missing !== undefined) throw notMade(host, missing, wishes);
  const groups = groupsOf(host, asked);
  locks.groups([...groups, ...(engine.store.one(claimKey(owner)).claims[0]?.groups ?? [])]);
  const claims = trustedClaims(engine, groups);
  const holds = await decideHolds(host, { owner, wishes, claims, deadlineMs: config.timeouts.kernelWrite });
  const { findScript } = engine;
  return { ...(await makePlan({ host, owner, hostdevs, groups, config, claims, findScript })), holds };
}

/** Throws VH_CLAIM for a claim that cannot be read, VH_STUCK as `refuseBlocked`. */
function trustedClaims({ host, store }: Engine, groups: readonly number[]): readonly Claim[] {
  const stored = store.all();
  refuseDamaged(stored);
  refuseBlocked(host, stored.claims, groups);
  return stored.claims;
}

function refuseMissing(
  host: Host,
  asked: readonly PciAddress[],
  snapshot: Snapshot,
  wishes: readonly Wish[],
): void {
  const missing = asked.find((address) => deviceAt(snapshot, address) === undefined);
  if (missing !== undefined) throw notMade(host, missing, wishes);
}

/** Where the virtual functions really are is known only once they are there: some cards move them with their number. */
function notMade(host: Host, address: PciAddress, wishes: readonly Wish[]): VfioHookError {
  const there = wishes
    .filter(({ kind }) => kind === 'vfs')
    .flatMap(({ key }) => virtualFunctions(host, parsePciAddress(key) ?? address));
  const hint = advice(`the virtual functions of the configuration are at ${there.join(', ')}`);
  const error = noDevice(address);
  return there.length === 0
    ? error
    : new VfioHookError(error.code, error.message, { device: address, hints: [hint] });
}

/**
 * What the start of a guest would come to now: {@link startOf}, {@link concernOf} and {@link planStart} without
 * the locks between them, for whoever only wants to know. Undefined when the start is none of our business.
 */
export async function decideStart(engine: Engine, guest: Domain): Promise<Planned | undefined> {
  const start = startOf(engine, guest);
  return start && planStart(engine, start, concernOf(engine, start).wanted);
}

function ownClaim(claims: readonly Claim[], guest: GuestOwner): Claim | undefined {
  return claims.find(({ owner }) => claimKey(owner) === claimKey(guest));
}

/**
 * libvirt begins a start of a guest only after everything of its last life, unless it was killed meanwhile:
 * then other runs of this guest, also younger ones, may be there.
 */
function refuseOtherRun({ host }: Engine, own: Claim): void {
  if (isHeldByYounger(host, own)) {
    throw new VfioHookError(
      'VH_BUSY',
      `a younger start of ${ownerPhrase(own.owner)} has taken its devices already`,
    );
  }
  const working = own.state === 'preparing' || own.state === 'restoring';
  if (!working || !host.isAlive(own.writer)) return;
  throw new VfioHookError(
    'VH_LOCK',
    `another run still works on the devices of ${ownerPhrase(own.owner)} (pid ${own.writer.pid})`,
    { hints: [advice('start the guest again when it has ended; see: vfio-hook status')] },
  );
}
