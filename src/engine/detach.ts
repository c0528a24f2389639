import { advice } from '../hint.ts';
import { randomUUID } from 'node:crypto';
import type { Claim, ClaimProcess, ManualOwner, RunOwner } from '../claim/claim.ts';
import { claimKey, logOwner } from '../claim/owner.ts';
import { defaultConfig, type Config, type DeviceRule } from '../config/config.ts';
import type { PciHostdev } from '../domain/domain.ts';
import { VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { groupOf } from '../observe/read-device.ts';
import { groupsOf, presentGroups } from '../observe/take-snapshot.ts';
import { routingOf } from '../observe/virtual-functions.ts';
import { slotOf, type PciAddress } from '../pci/address.ts';
import { deviceAt } from '../pci/snapshot.ts';
import type { UseReason } from '../pci/use.ts';
import { isVfioName } from '../pci/vfio-name.ts';
import { refusals } from '../plan/plan.ts';
import type { RefuseVerdict } from '../plan/verdict.ts';
import type { Wish } from '../resource/kind.ts';
import { expectAfter, type HoldPlan } from '../resource/plan-holds.ts';
import { promisedBy } from '../resource/wishes.ts';
import { refuseBlocked, refuseBlockedHolds } from './blocked.ts';
import { refuseDamaged } from './claim-store.ts';
import type { Engine } from './engine.ts';
import { handOver, type Again } from './hand-over.ts';
import { holdRefusal } from './hold-refusal.ts';
import { changesDevices, decideHolds, locksOf, locksOfGroups } from './holds.ts';
import { lockRun, type RunLocks } from './lock.ts';
import { logVerdicts, makePlan, refusalError, refusalOf, type PlannedStart } from './make-plan.ts';
import { chooseSlices, heldBySlices, wishesForDevices, type SliceRequest } from './slices.ts';
import { sharedOfStart } from './unsafe-interrupts.ts';

/** As what the modules of VFIO are held. */
const VFIO_MODULES = { kind: 'vfio-modules', key: 'vfio' } as const;

/** What is to be detached from the host, and for whom. */
export interface DetachRequest extends SliceRequest {
  readonly owner: ManualOwner | RunOwner;
  readonly devices: readonly PciAddress[];
  /** What goes with them where whole groups are moved, without being named: nothing that the host uses is allowed for them. */
  readonly companions?: readonly PciAddress[] | undefined;
  /** The driver to bind in place of the vfio driver that a guest would get. */
  readonly driver?: string | undefined;
  /** What the named devices may be taken from although the host uses them for that. */
  readonly allow?: readonly UseReason[] | undefined;
  /** Sizes in bytes by BAR index, for any device of the groups. */
  readonly bars: ReadonlyMap<PciAddress, ReadonlyMap<number, number>>;
  /** Pass over cards that are refused, in place of refusing all. */
  readonly skipRefused: boolean;
}

/** What is done, or would be. */
export interface Detachment extends PlannedStart {
  readonly config: Config;
  /** What the owner gets besides devices. */
  readonly holds: HoldPlan;
  /** As in `Planned` of src/engine/plan-start.ts. */
  readonly isExpected: boolean;
  /** The virtual functions that were chosen, one for each of the request's slices. */
  readonly chosen: readonly PciAddress[];
  /** Why cards were passed over; what cannot be done at all is in the plan. */
  readonly skipped: readonly VfioHookError[];
}

/** An owner for one detach. */
export function manualOwner(): ManualOwner {
  return { kind: 'manual', uuid: randomUUID() };
}

/** An owner for one run of a program, by this process. */
export function runOwner(host: Host, command: string): RunOwner {
  return { kind: 'run', uuid: randomUUID(), command, processes: [identityOf(host.self())] };
}

/** Decides, and changes nothing: for a dry run. Throws VH_CLAIM, VH_STUCK and VH_REFUSED as {@link detach}. */
export function planDetach(engine: Engine, request: DetachRequest): Promise<Detachment> {
  return choosing(engine, request, (chosen) => planChosen(engine, chosen));
}

/**
 * Takes devices from the host and claims them for their owner, with the hook's own plan, guards and steps.
 * A refused plan is returned, and nothing done; a failure throws after everything has been undone. Throws VH_REFUSED
 * when what the devices need besides cannot be had, or no virtual function of a card is free.
 */
export async function detach(engine: Engine, request: DetachRequest): Promise<Detachment> {
  const { host, log } = engine;
  const { owner } = request;
  const started = host.now();
  const allGuests = engine.loadConfig();
  const wishes = wishesForDevices(host, allGuests, request.devices, request);
  // Throws for an address that does not exist, before there is so much as a lock.
  const groups = groupsNow(host, request, wishes);
  const locks = lockRun(engine, owner, allGuests.timeouts.lock);
  try {
    locks.shared([
      ...sharedOfStart(host, { owner, config: allGuests }),
      ...locksOf([...wishes, ...heldBySlices(request)]),
      ...locksOfGroups(host, groups),
      // Whoever unloads them looks whether a device is on their drivers.
      ...(allGuests.modules.unload === true ? locksOf([VFIO_MODULES]) : []),
    ]);
    const detachment = await choosing(engine, request, (chosen) => {
      locks.releaseGroups();
      const needed = wishesForDevices(host, allGuests, chosen.devices, chosen);
      locks.groups(groupsNow(host, chosen, needed));
      return planChosen(engine, chosen);
    });
    const { plan, config, holds, isExpected } = detachment;
    logVerdicts(log, plan);
    const refused = holdRefusal(owner, holds);
    if (refused) throw refused;
    if (refusals(plan).length > 0) return detachment;
    const again = (): Promise<Again> => planAgain(engine, request, { detachment, locks });
    await handOver(engine, plan, {
      config,
      earlier: undefined,
      locks,
      holds,
      ...(isExpected && { again }),
    });
    log.write({
      severity: 'notice',
      message: plan.devices.length + holds.holds.length === 0 ? 'no device to detach' : 'devices detached',
      ...logOwner(owner),
      result: 'held',
      durationMs: host.now() - started,
    });
    return detachment;
  } finally {
    locks.release();
  }
}

/** How many virtual functions of a card are tried. */
const MOST_TRIED = 16;

/** Plans with a choice of virtual functions, and with another one while what was chosen is refused. */
async function choosing(
  engine: Engine,
  request: DetachRequest,
  plan: (request: DetachRequest) => Promise<Omit<Detachment, 'chosen'>>,
): Promise<Detachment> {
  const without = new Set<PciAddress>();
  for (;;) {
    const stored = engine.store.all();
    refuseDamaged(stored);
    const choice = { claims: stored.claims, config: engine.loadConfig(), without };
    const chosen = chooseSlices(engine.host, request, choice);
    const detachment = await plan({ ...request, devices: [...request.devices, ...chosen] });
    const refused = refusals(detachment.plan).filter(({ device }) => chosen.includes(device));
    const isLast = refused.length === 0 || without.size >= MOST_TRIED;
    if (isLast || refused.some(({ code }) => code === 'vgpu')) return { ...detachment, chosen };
    for (const { device } of refused) without.add(device);
  }
}

async function planChosen(engine: Engine, request: DetachRequest): Promise<Omit<Detachment, 'chosen'>> {
  const stored = engine.store.all();
  refuseDamaged(stored);
  refuseBlocked(engine.host, stored.claims, presentGroups(engine.host, concerned(request)));
  return decide(engine, request, stored.claims);
}

/** Decides about the devices again, once everything that they come from is there, as `planAgain` of a guest's start. */
async function planAgain(
  engine: Engine,
  request: DetachRequest,
  { detachment, locks }: { readonly detachment: Detachment; readonly locks: RunLocks },
): Promise<Again> {
  const { host } = engine;
  const { chosen, config } = detachment;
  const devices = concerned({ ...request, devices: [...request.devices, ...chosen] });
  locks.releaseGroups();
  const groups = groupsOf(host, devices);
  locks.groups(groups);
  const stored = engine.store.all();
  refuseDamaged(stored);
  refuseBlocked(host, stored.claims, groups);
  const { plan } = await makePlan({
    host,
    owner: request.owner,
    hostdevs: hostdevsOf(devices),
    groups,
    config,
    claims: stored.claims,
    scope: movesGroups(request) ? 'groups' : 'functions',
  });
  const holds = await decideHolds(host, {
    owner: request.owner,
    wishes: wishesForDevices(host, config, devices, request),
    claims: stored.claims,
    deadlineMs: config.timeouts.kernelWrite,
  });
  const refused = holdRefusal(request.owner, holds) ?? refusalError(plan);
  if (refused) throw refused;
  return { plan, holds };
}

function hostdevsOf(devices: readonly PciAddress[]): PciHostdev[] {
  return devices.map((address) => ({ kind: 'pci', address, managed: false }));
}

/** The groups of what is there; what wishes promise may be missing. Throws as `groupsOf`. */
function groupsNow(host: Host, request: DetachRequest, wishes: readonly Wish[]): readonly number[] {
  const devices = concerned(request);
  if (request.skipRefused) return presentGroups(host, devices);
  const promised = promisedBy(wishes, (card) => routingOf(host, card));
  return groupsOf(
    host,
    devices.filter((address) => !promised.includes(address) || groupOf(host, address) !== undefined),
  );
}

/** Notes the program that uses the devices, so that they are left to it should this process be killed. */
export function addProcess(engine: Engine, owner: RunOwner, process: ClaimProcess): void {
  const locks = lockRun(engine, owner, defaultConfig.timeouts.lock);
  try {
    const claim = claimOf(engine, owner);
    if (!claim) return;
    const processes = [...owner.processes, identityOf(process)];
    engine.store.write({ ...claim, owner: { ...owner, processes } }, locks);
  } finally {
    locks.release();
  }
}

function identityOf({ pid, startTime }: ClaimProcess): ClaimProcess {
  return { pid, startTime };
}

/** The claim of an owner, as it is now. */
export function claimOf(engine: Engine, owner: ManualOwner | RunOwner): Claim | undefined {
  return engine.store.one(claimKey(owner)).claims[0];
}

/** Until nothing is refused, when refused cards are passed over: without one, others may be refused no more. */
async function decide(
  engine: Engine,
  request: DetachRequest,
  claims: readonly Claim[],
): Promise<Omit<Detachment, 'chosen'>> {
  const { host } = engine;
  const config = withWishes(engine.loadConfig(), request);
  const skipped: VfioHookError[] = [];
  let devices = concerned(request);
  if (request.skipRefused) devices = withGroup(host, devices, skipped);
  for (;;) {
    const wishes = wishesForDevices(host, config, devices, request);
    refuseBlockedHolds(host, claims, wishes);
    const holds = await decideHolds(host, {
      owner: request.owner,
      wishes,
      claims,
      deadlineMs: config.timeouts.kernelWrite,
    });
    const planned = await makePlan({
      host,
      owner: request.owner,
      hostdevs: hostdevsOf(devices),
      groups: groupsNow(host, { ...request, devices, companions: [] }, wishes),
      config,
      claims,
      expect: (seen) => expectAfter(seen, holds, devices),
      scope: movesGroups(request) ? 'groups' : 'functions',
    });
    if (skipped.length === 0) refuseStrayBars(request, planned);
    const refused = refusals(planned.plan);
    if (!request.skipRefused || refused.length === 0)
      return { ...planned, config, skipped, holds, isExpected: changesDevices(holds) };
    const groups = new Set(
      presentGroups(
        host,
        refused.map(({ device }) => device),
      ),
    );
    const isRefused = (address: PciAddress): boolean =>
      presentGroups(host, [address]).some((group) => groups.has(group));
    const cards = new Set(devices.filter(isRefused).map(slotOf));
    skipped.push(...onceForEachCard(refused).map((verdict) => refusalOf(request.owner, verdict)));
    devices = devices.filter((address) => !cards.has(slotOf(address)));
  }
}

/** A driver that is no vfio driver is for the named functions only. */
function movesGroups({ driver }: DetachRequest): boolean {
  return driver === undefined || isVfioName(driver);
}

function concerned(request: DetachRequest): readonly PciAddress[] {
  const { devices, companions = [] } = request;
  return movesGroups(request) ? [...devices, ...companions] : devices;
}

/** Every function of a card that a guest holds has the same reason. */
function onceForEachCard(refused: readonly RefuseVerdict[]): RefuseVerdict[] {
  const reasons = new Map<string, RefuseVerdict>();
  for (const verdict of refused) {
    const key = `${slotOf(verdict.device)} ${verdict.reason}`;
    if (!reasons.has(key)) reasons.set(key, verdict);
  }
  return [...reasons.values()];
}

/** Without those that have no IOMMU group while others have: no reason to refuse the others. */
function withGroup(
  host: Host,
  devices: readonly PciAddress[],
  skipped: VfioHookError[],
): readonly PciAddress[] {
  if (presentGroups(host, devices).length === 0) return devices;
  return devices.filter((address) => {
    if (presentGroups(host, [address]).length > 0) return true;
    skipped.push(
      new VfioHookError('VH_NO_IOMMU', `cannot detach ${address}: it has no IOMMU group`, {
        device: address,
      }),
    );
    return false;
  });
}

/** What the command line asks for is stronger than any rule of the configuration. */
function withWishes(config: Config, { devices, driver, bars, allow = [] }: DetachRequest): Config {
  const none: ReadonlyMap<number, number> = new Map();
  const rules = [...new Set([...devices, ...bars.keys()])].map((address): DeviceRule => ({
    match: { by: 'address', address },
    bars: bars.get(address) ?? none,
    ...(driver !== undefined && devices.includes(address) && { driver }),
    ...(allow.length > 0 && devices.includes(address) && { allow }),
  }));
  return { ...config, devices: [...config.devices, ...rules] };
}

/** A size for a device that is not concerned is a slip of the pen, and would be passed over in silence. */
function refuseStrayBars({ bars }: DetachRequest, { snapshot }: PlannedStart): void {
  const stray = [...bars.keys()].find((address) => deviceAt(snapshot, address) === undefined);
  if (stray === undefined) return;
  throw new VfioHookError('VH_USAGE', `a BAR size is given for ${stray}, which is not to be detached`, {
    device: stray,
    hints: [advice('name the device itself, or one of its IOMMU group')],
  });
}
