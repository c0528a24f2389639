import { toGiveBack, type Claim, type ClaimOwner, type GuestOwner } from '../claim/claim.ts';
import { claimKey } from '../claim/owner.ts';
import { VfioHookError } from '../errors.ts';
import { asFailure } from '../failure.ts';
import { describeHolders } from '../observe/describe-holders.ts';
import { turn } from '../pause.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Engine } from './engine.ts';
import type { Host } from '../host/host.ts';
import { groupsOfHolds } from '../resource/readers.ts';
import { quoteName } from '../text.ts';
import { waitingWrites } from './blocked.ts';
import { lockRun } from './lock.ts';
import { giveBackLocked } from './release.ts';

/** What `recover` did with one claim, or would do. */
export interface Recovery {
  readonly owner: Claim['owner'];
  readonly outcome: RecoveryOutcome;
  /** Why it was left, what is missing, or what was found otherwise: sentences. */
  readonly reasons: readonly string[];
}

/** `would-wait`: in a dry run, a kernel write has not returned. `not-tried`: a signal came before it. */
export type RecoveryOutcome =
  'restored' | 'would-restore' | 'would-wait' | 'left' | 'incomplete' | 'not-tried';

/**
 * libvirt starts QEMU within seconds of the hook's end; a claim younger than this may be a guest on its way,
 * as long as there is a daemon that could start it.
 */
const STARTING_MS = 60_000;

/**
 * Gives back what owners hold that are gone: after a crash of libvirtd or of this program no release ever
 * comes. A claim is left when its guest has a group open or may just be starting, when its program runs, and
 * when a person has detached its devices: they are where they are on purpose. Asked to stop, it ends after the claim
 * that it is at.
 */
export async function recover(engine: Engine, options: { readonly dryRun: boolean }): Promise<Recovery[]> {
  const done: Recovery[] = [];
  const stored = engine.store.all();
  if (!options.dryRun) {
    for (const owner of stored.outdated) removeOutdated(engine, owner);
  }
  const daemons = daemonsOf(engine.host);
  for (const claim of stored.claims) {
    // A signal is heard between two turns of the event loop.
    await turn();
    const signal = engine.interrupted();
    if (signal !== undefined) {
      done.push({ owner: claim.owner, outcome: 'not-tried', reasons: [`stopped by ${signal}`] });
      continue;
    }
    const why = reasonToLeave(engine, claim, daemons);
    if (why !== undefined) done.push({ owner: claim.owner, outcome: 'left', reasons: [why] });
    else if (options.dryRun) done.push(forecast(engine.host, claim));
    else done.push(await recoverOne(engine, claim));
  }
  return done;
}

/** What giving back would come to, as far as it can be known before. */
function forecast(host: Host, claim: Claim): Recovery {
  const { owner } = claim;
  const waiting = waitingWrites(host, claim);
  if (waiting.length === 0) return { owner, outcome: 'would-restore', reasons: [] };
  const reasons = waiting.map(
    ({ step, writer }) => `still waiting in the kernel: ${step} (process ${writer.pid})`,
  );
  return { owner, outcome: 'would-wait', reasons };
}

/** Pids of libvirt's daemons. */
export type Daemons = () => readonly number[];

/** The daemons as they are when somebody asks first, for a look at many claims. */
export function daemonsOf(host: Host): Daemons {
  let seen: readonly number[] | undefined;
  return () => (seen ??= host.libvirtDaemons());
}

/** A start may be about to put a claim of this boot in its place, or has just done so. */
function removeOutdated(engine: Engine, owner: ClaimOwner): void {
  const key = claimKey(owner);
  let locks;
  try {
    locks = lockRun(engine, owner, 0);
  } catch (error) {
    if (error instanceof VfioHookError && error.code === 'VH_LOCK') return;
    throw error;
  }
  try {
    if (engine.store.one(key).outdated.length > 0) engine.store.remove(key, locks);
  } finally {
    locks.release();
  }
}

/** Why a claim's devices must stay where they are; undefined when its owner is gone. */
export function reasonToLeave(engine: Engine, claim: Claim, daemons: Daemons): string | undefined {
  const { host } = engine;
  const { owner } = claim;
  const groups = new Set([
    ...toGiveBack(claim).map(({ group }) => group),
    ...groupsOfHolds(host, claim.holds),
  ]);
  for (const group of groups) {
    if (host.tryOpen(sysfs.vfioGroup(group)) !== 'busy') continue;
    const holders = describeHolders(host.holders([sysfs.vfioGroup(group)]));
    const where = `IOMMU group ${group} is open in ${holders}`;
    return owner.kind === 'guest' ? `the guest is running: ${where}` : `they are in use: ${where}`;
  }
  const working = claim.state === 'preparing' || claim.state === 'restoring';
  const atWork =
    working && host.isAlive(claim.writer) ? `a run is at work on it (pid ${claim.writer.pid})` : undefined;
  switch (owner.kind) {
    case 'guest':
      return isRunning(host, owner) ?? atWork ?? mayBeStarting(engine, claim, daemons);
    case 'manual':
      if (atWork !== undefined || claim.state !== 'held') return atWork;
      return 'held on purpose: vfio-hook reattach gives the devices back';
    case 'run': {
      const living = owner.processes.filter((process) => host.isAlive(process)).pop();
      return atWork ?? (living && `${quoteName(owner.command)} is running (pid ${living.pid})`);
    }
  }
}

/** A guest that is handed its devices late in its start, or has lost them, still runs. */
function isRunning(host: Host, owner: GuestOwner): string | undefined {
  const qemu = host.guestProcess(owner.name);
  // Another guest may have come to the name.
  if (!qemu || (qemu.uuid ?? owner.uuid) !== owner.uuid) return undefined;
  return `the guest is running: ${quoteName(qemu.name)} (pid ${qemu.pid})`;
}

function mayBeStarting(engine: Engine, { state, claimedAt }: Claim, daemons: Daemons): string | undefined {
  const age = engine.clock().getTime() - Date.parse(claimedAt);
  const isYoung = state === 'held' && age >= 0 && age < STARTING_MS;
  if (!isYoung || daemons().length === 0) return undefined;
  return `the guest may be starting: its devices were handed over ${Math.round(age / 1000)} s ago`;
}

async function recoverOne(engine: Engine, claim: Claim): Promise<Recovery> {
  const { owner } = claim;
  try {
    const result = await giveBackLocked(engine, owner, (current) =>
      reasonToLeave(engine, current, () => engine.host.libvirtDaemons()),
    );
    switch (result?.kind) {
      case undefined:
        return { owner, outcome: 'left', reasons: ['another run has given its devices back meanwhile'] };
      case 'left':
        return { owner, outcome: 'left', reasons: [result.reason] };
      case 'restored':
        return { owner, outcome: 'restored', reasons: result.notes };
      case 'in-use':
        return {
          owner,
          outcome: 'left',
          reasons: [`IOMMU group ${result.group} is open in ${result.holders}`],
        };
      case 'incomplete':
        return { owner, outcome: 'incomplete', reasons: result.leftovers };
    }
  } catch (error) {
    const failure = asFailure(error);
    if (!failure) throw error;
    return { owner, outcome: 'incomplete', reasons: [failure.message] };
  }
}
