import type { Claim, ClaimedDevice, StuckWrite } from '../claim/claim.ts';
import { defaultConfig } from '../config/config.ts';
import { asFailure } from '../failure.ts';
import { describeHolders } from '../observe/describe-holders.ts';
import { readBindings } from '../observe/read-members.ts';
import { presentGroups } from '../observe/take-snapshot.ts';
import { claimKey, logOwner } from '../claim/owner.ts';
import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import { groupsOfHolds } from '../resource/readers.ts';
import { planRestore } from '../plan/restore.ts';
import { describeStep } from '../steps/index.ts';
import { waitingWrites } from './blocked.ts';
import { AFTER_STUCK_MS, budgetOf, type Budget } from './budget.ts';
import type { Engine } from './engine.ts';
import { giveHoldsBack } from './holds.ts';
import { execute } from './execute.ts';
import type { RunLocks } from './lock.ts';
import { withdrawUnsafeInterrupts } from './unsafe-interrupts.ts';

/** How giving back a claim's devices ended. */
export type GiveBackResult =
  /** Every original is back; the claim is gone. `notes` say what was left alone. */
  | { readonly kind: 'restored'; readonly notes: readonly string[] }
  /** A guest still has a group open; nothing was touched. */
  | { readonly kind: 'in-use'; readonly group: number; readonly holders: string }
  /** Something is not back; the claim stays and says what. */
  | {
      readonly kind: 'incomplete';
      readonly leftovers: readonly string[];
      readonly stuck: readonly StuckWrite[];
    };

/** How devices are given back, when not all or not for good. */
export interface GiveBackOptions {
  /** Only this part of the claim; it keeps the rest. */
  readonly part?: Pick<Claim, 'devices' | 'holds'>;
  /** This run undoes what it did itself: when a write of it is stuck, a whole deadline has been waited already. */
  readonly undoing?: boolean;
  /** Milliseconds that were waited for earlier writes: the kernel gets so much less, and whoever waits for the run does. */
  readonly waitedMs?: number;
}

/**
 * Puts a claim's originals back, as far as they are not: for a release, for the roll-back of a failed start
 * and for `recover`. `locks` are those of the claim, of the groups of the devices, and of what the claim shares.
 * What cannot be read is not known to be back: then the claim stays, too. So it does while a write of an earlier run of it
 * has not returned, which would take effect on whatever is there by then.
 */
export async function giveBack(
  engine: Engine,
  claim: Claim,
  locks: RunLocks,
  { part = claim, undoing = false, waitedMs = 0 }: GiveBackOptions = {},
): Promise<GiveBackResult> {
  const { host } = engine;
  // Also those of a run that died: once this run has put its name into the claim, nobody would look for them.
  const stuck = waitingWrites(host, claim);
  const blocked = stuck.flatMap(({ device }) => device ?? []);
  const free = part.devices.filter(({ address }) => !blocked.includes(address));

  const groups = presentGroups(
    host,
    free.map(({ address }) => address),
  );
  const open = [...groups, ...groupsOfHolds(host, part.holds)].find(
    (group) => host.tryOpen(sysfs.vfioGroup(group)) === 'busy',
  );
  if (open !== undefined) {
    return { kind: 'in-use', group: open, holders: describeHolders(host.holders([sysfs.vfioGroup(open)])) };
  }

  const kept = {
    devices: claim.devices.filter((device) => !part.devices.includes(device)),
    holds: claim.holds.filter((hold) => !part.holds.includes(hold)),
  };
  const isWhole = kept.devices.length + kept.holds.length === 0;
  const current: Claim = {
    ...claim,
    state: 'restoring',
    writer: host.self(),
    devices: isWhole ? claim.devices : claim.devices.map((each) => marked(each, part.devices)),
    stuck,
    leftovers: [],
  };
  record(engine, current, locks);
  const unread = (error: unknown): Ended => {
    const failure = asFailure(error);
    if (!failure) throw error;
    return { notes: [], leftovers: [failure.message], stuck: [] };
  };
  const { kernelWriteTimeout } = claim;
  const waited = undoing && claim.stuck.length > 0 ? kernelWriteTimeout : waitedMs;
  const deadlineMs = Math.max(kernelWriteTimeout - waited, Math.min(AFTER_STUCK_MS, kernelWriteTimeout));
  const budget = budgetOf(host, { kernelWrite: deadlineMs, run: wayBackMs(claim) });
  const ended = await restore(
    engine,
    { ...current, devices: free },
    { groups, without: blocked, deadlineMs, budget },
  ).catch(unread);

  // An owner that keeps some of its devices is about to use them.
  const share =
    claim.unsafeInterrupts && isWhole
      ? await withdrawUnsafeInterrupts(engine, current, locks, budget)
      : { claim: current, leftovers: [], stuck: [] };
  const waiting = stuck.map(({ step }) => `still waiting in the kernel: ${step}`);
  const others = await giveHoldsBack(engine, current, {
    holds: part.holds,
    locks,
    budget,
    deadlineMs,
    devicesLeft: waiting.length + ended.leftovers.length > 0,
    devicesWait: [...stuck, ...ended.stuck].some(({ device }) => device !== undefined),
    waiting: stuck,
  });
  const stillStuck = [...stuck, ...ended.stuck, ...others.stuck, ...share.stuck];
  const leftovers = [...waiting, ...ended.leftovers, ...others.leftovers, ...share.leftovers];
  if (leftovers.length > 0) {
    const state = stillStuck.length > 0 ? 'stuck' : 'incomplete';
    record(engine, { ...share.claim, state, stuck: stillStuck, leftovers }, locks);
    return { kind: 'incomplete', leftovers, stuck: stillStuck };
  }
  if (isWhole) engine.store.remove(claimKey(claim.owner), locks);
  else engine.store.write(rest(claim, kept), locks);
  return { kind: 'restored', notes: [...ended.notes, ...others.notes] };
}

/**
 * Milliseconds that giving back may take in all: a budget of its own, however long the start took. A release reads no
 * configuration, so it is what a start has when nothing is configured, and more where the claim says that single writes
 * may take longer.
 */
function wayBackMs({ kernelWriteTimeout }: Claim): number {
  const { run, kernelWrite } = defaultConfig.timeouts;
  return Math.max(run, (run / kernelWrite) * kernelWriteTimeout);
}

/** What is given back while the claim keeps others, marked so that a later run knows which that was. */
function marked(device: ClaimedDevice, only: readonly ClaimedDevice[]): ClaimedDevice {
  return only.includes(device) ? { ...device, returning: true } : device;
}

/** The claim with this part of it: devices that a person has detached are held as before. */
function rest(claim: Claim, { devices, holds }: Pick<Claim, 'devices' | 'holds'>): Claim {
  const settled = claim.owner.kind === 'manual' && devices.every(({ returning }) => returning === undefined);
  return {
    ...claim,
    ...(settled && { state: 'held' as const, leftovers: [], stuck: [] }),
    groups: [...new Set(devices.map(({ group }) => group))].sort((a, b) => a - b),
    devices,
    holds,
  };
}

/**
 * Notes how far giving back has come. The originals are on disk since before the first change, so a disk
 * that is full now must not keep the devices from being given back.
 */
function record({ store, log }: Engine, claim: Claim, locks: RunLocks): void {
  try {
    store.write(claim, locks);
  } catch (error) {
    if (!asFailure(error)) throw error;
    const message = error instanceof Error ? error.message : String(error);
    log.write({ severity: 'warning', message: `${message}, continuing`, ...logOwner(claim.owner) });
  }
}

/** How putting devices back has ended. */
interface Ended {
  readonly notes: readonly string[];
  readonly leftovers: readonly string[];
  readonly stuck: readonly StuckWrite[];
}

interface RestoreOptions {
  readonly groups: readonly number[];
  /** Devices that are not touched. */
  readonly without: readonly PciAddress[];
  /** Milliseconds that the kernel may take to tell what the host is like. */
  readonly deadlineMs: number;
  readonly budget: Budget;
}

/** Passes over the devices. A driver may change an attribute again just after it was bound, hence two. */
const PASSES = 2;

/**
 * Plans and executes until a plan made afresh finds nothing left to do: that, and not the success of the
 * steps, is the proof that everything is back.
 */
async function restore(
  engine: Engine,
  claim: Claim,
  { groups, without, deadlineMs, budget }: RestoreOptions,
): Promise<Ended> {
  const { host, log } = engine;
  for (let pass = 1; ; pass += 1) {
    const { steps, notes, left } = planRestore(
      claim,
      await readBindings(host, groups, { deadlineMs, without }),
    );
    if (steps.length === 0) return { notes, leftovers: left, stuck: [] };
    if (pass > PASSES) {
      return {
        notes,
        leftovers: [...left, ...steps.map((step) => `not as before: ${describeStep(step)}`)],
        stuck: [],
      };
    }
    const failures = await execute(steps, {
      host,
      log,
      ...logOwner(claim.owner),
      budget,
      onFailure: 'next-device',
    });
    if (failures.length > 0) {
      return {
        notes,
        leftovers: [...left, ...failures.map((failure) => failure.sentence)],
        stuck: failures.flatMap((failure) => failure.stuck ?? []),
      };
    }
  }
}
