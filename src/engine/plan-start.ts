import { advice } from '../hint.ts';
import type { Claim, GuestOwner } from '../claim/claim.ts';
import { claimKey, guestOwner, ownerPhrase } from '../claim/owner.ts';
import type { Config } from '../config/config.ts';
import { pciHostdevs, type Domain, type PciHostdev } from '../domain/domain.ts';
import { VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { offeredVariants } from '../observe/known-drivers.ts';
import { groupsOf } from '../observe/take-snapshot.ts';
import { VFIO_PCI } from '../plan/driver.ts';
import { quoteName } from '../text.ts';
import { refuseBlocked } from './blocked.ts';
import { refuseDamaged } from './claim-store.ts';
import type { Engine } from './engine.ts';
import { makePlan, type PlannedStart } from './make-plan.ts';
import { sharedOfStart } from './unsafe-interrupts.ts';
import { isHeldByYounger } from './younger.ts';

/*
 * Everything that prepare looks at before its first change, in its order; between the functions it takes its locks.
 * `vfio-hook plan` comes through here, too: what one of them refuses, the other one does.
 */

/** A start of a guest that concerns devices of the host. */
export interface Start {
  readonly owner: GuestOwner;
  readonly hostdevs: readonly PciHostdev[];
  readonly config: Config;
}

/**
 * What the start of a guest is about; undefined when it is none of our business: no PCI device is assigned,
 * and no claim is left from an earlier run. Throws VH_CONFIG, and VH_XML for a model that is no vfio driver.
 */
export function startOf(engine: Engine, guest: Domain): Start | undefined {
  const hostdevs = pciHostdevs(guest);
  const owner = guestOwner(guest);
  if (hostdevs.length === 0 && engine.store.one(claimKey(owner)).claims.length === 0) return undefined;
  refuseForeignModels(engine.host, owner, hostdevs);
  return { owner, hostdevs, config: engine.loadConfig(guest) };
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
  /** IOMMU groups of the assigned devices. */
  readonly wanted: readonly number[];
  /** Those, and the ones of a claim that the guest has already. */
  readonly groups: readonly number[];
  /** What others share with it. */
  readonly shared: readonly string[];
}

/** Looks it up; under the lock of the claim it stays so. Throws VH_NO_DEVICE, VH_NO_IOMMU. */
export function concernOf({ host, store }: Engine, { owner, hostdevs, config }: Start): Concern {
  const [before] = store.one(claimKey(owner)).claims;
  const wanted = groupsOf(
    host,
    hostdevs.map(({ address }) => address),
  );
  return {
    wanted,
    groups: [...wanted, ...(before?.groups ?? [])],
    shared: sharedOfStart(host, { owner, config, before }),
  };
}

/** A plan, and the claim that the guest has already. */
export interface Planned extends PlannedStart {
  readonly own: Claim | undefined;
}

/**
 * Decides. prepare holds the locks meanwhile, so that what it sees stays so. Changes nothing.
 * Throws VH_CLAIM for a claim that cannot be read, VH_STUCK for a device that an earlier write waits for,
 * VH_LOCK while another run of the same guest is at work, VH_BUSY when a younger one has its devices.
 */
export async function planStart(engine: Engine, start: Start, groups: readonly number[]): Promise<Planned> {
  const { host, store } = engine;
  const { owner, hostdevs, config } = start;
  const stored = store.all();
  refuseDamaged(stored);
  refuseBlocked(host, stored.claims, groups);
  const own = ownClaim(stored.claims, owner);
  if (own) refuseOtherRun(engine, own);
  const planned = await makePlan({
    host,
    owner,
    hostdevs,
    groups,
    config,
    claims: stored.claims,
  });
  return { ...planned, own };
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
