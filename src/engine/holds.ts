import type { Claim, ClaimOwner, StuckWrite } from '../claim/claim.ts';
import type { Hold, HoldId } from '../claim/hold.ts';
import { logOwner } from '../claim/owner.ts';
import { asFailure } from '../failure.ts';
import type { Host } from '../host/host.ts';
import { groupMembers } from '../observe/read-members.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Wish } from '../resource/kind.ts';
import { kindOf } from '../resource/kinds.ts';
import { changeWords } from '../resource/hold-input.ts';
import { planHolds, type HoldPlan } from '../resource/plan-holds.ts';
import { planHoldsBack, type HoldWayBack } from '../resource/plan-holds-back.ts';
import { readHolds } from '../resource/readers.ts';
import { holdWrites } from './blocked.ts';
import type { Budget } from './budget.ts';
import type { Engine } from './engine.ts';
import { execute } from './execute.ts';
import { changes } from './hold-files.ts';
import type { RunLocks } from './lock.ts';

/** The names of the locks under which things are changed, and claims on them come and go. */
export function locksOf(ids: readonly HoldId[]): readonly string[] {
  return ids.map(({ kind, key }) => kindOf(kind).lock(key));
}

/**
 * The names of the locks for taking devices of these groups away of which things are made that are held: so that none is
 * made of them meanwhile.
 */
export function locksOfGroups(host: Host, groups: readonly number[]): readonly string[] {
  const members = groups.flatMap((group) => groupMembers(host, group).addresses);
  const isParent = members.some((address) => host.list(sysfs.mdevTypes(address)) !== undefined);
  return isParent ? [kindOf('mdev').lock('')] : [];
}

/** What the holds of an owner are planned from, besides what is read. */
export interface HoldRequest {
  readonly owner: ClaimOwner;
  readonly wishes: readonly Wish[];
  /** Every claim on this host, this owner's own included. */
  readonly claims: readonly Claim[];
  /** Milliseconds that the kernel may take to tell what there is. */
  readonly deadlineMs: number;
}

/** Looks at what an owner wants and decides. Changes nothing. Throws VH_STUCK when the kernel does not tell in time. */
export async function decideHolds(host: Host, request: HoldRequest): Promise<HoldPlan> {
  const { owner, wishes, claims, deadlineMs } = request;
  return planHolds({ owner, claims, seen: await readHolds(host, wishes, deadlineMs) }, wishes);
}

/** Whether a start has to look at its devices again once its holds are there: they make devices, or free some. */
export function changesDevices({ changes }: HoldPlan): boolean {
  return changes.some(({ kind, steps }) => kindOf(kind).changesDevices && steps.length > 0);
}

/** How giving holds back has ended. */
export interface HoldsBack {
  readonly notes: readonly string[];
  readonly leftovers: readonly string[];
  readonly stuck: readonly StuckWrite[];
}

/** How holds are given back. */
export interface HoldsBackOptions {
  /** Which of the claim's. */
  readonly holds: readonly Hold[];
  readonly locks: RunLocks;
  readonly budget: Budget;
  readonly deadlineMs: number;
  /** Devices of the claim are not back: what devices come from stays until they are. */
  readonly devicesLeft: boolean;
  /** A write for one of them still waits in the kernel, which may be for whoever would open it again. */
  readonly devicesWait: boolean;
  /**
   * The claim's writes that have not returned: what they change is not touched, since they take effect after whatever is
   * written now. Those that other owners of the same thing have left are looked for.
   */
  readonly waiting: readonly StuckWrite[];
}

/** As for devices, a plan made afresh has to find nothing left to do. */
const PASSES = 2;

/**
 * Puts what a claim holds besides devices to what it must be without its wishes. Changes no claim. What cannot be read
 * is not known to be back.
 */
export async function giveHoldsBack(
  engine: Engine,
  claim: Claim,
  options: HoldsBackOptions,
): Promise<HoldsBack> {
  const { holds, devicesLeft, devicesWait, waiting } = options;
  const due = holds
    .filter((hold) => !(devicesLeft && needsDevicesBack(hold, devicesWait)))
    .filter((hold) => !waiting.some((write) => changes(engine.host, hold, write)));
  if (due.length === 0) return { notes: [], leftovers: [], stuck: [] };
  refuseUnlocked(locksOf(due), options.locks);
  try {
    const late = holdWrites(engine.host, engine.store.all().claims, due);
    const back = due.filter((hold) => !late.some((write) => changes(engine.host, hold, write)));
    // What is not looked at again was said in the first pass.
    const notes = new Set<string>();
    const others = late.map(({ step }) => `still waiting in the kernel: ${step}`);
    for (let pass = 1; ; pass += 1) {
      const open = pass === 1 ? back : back.filter(({ kind }) => kindOf(kind).isBlind !== true);
      const way = await wayBack(engine, { ...claim, holds: open }, options.deadlineMs);
      for (const note of way.notes) notes.add(note);
      if (way.changes.length === 0)
        return { notes: [...notes], leftovers: [...others, ...way.left], stuck: [] };
      if (pass > PASSES) {
        const wrong = way.changes.map((change) => `not as before: ${changeWords(change)}`);
        return { notes: [...notes], leftovers: [...others, ...way.left, ...wrong], stuck: [] };
      }
      const failures = await executeAll(engine, claim, way, options.budget);
      if (failures.length > 0) {
        return {
          notes: [...notes],
          leftovers: [...others, ...way.left, ...failures.map(({ sentence }) => sentence)],
          stuck: failures.flatMap(({ stuck }) => stuck ?? []),
        };
      }
    }
  } catch (error) {
    const failure = asFailure(error);
    if (!failure) throw error;
    return { notes: [], leftovers: [failure.message], stuck: [] };
  }
}

/**
 * Devices come from it, or it is a part of what they come from: it waits until they are back. What devices are only free
 * of does not, since a host without its card is to have its login screen; but nothing is started that could open a device
 * while the kernel waits for it to be closed.
 */
function needsDevicesBack({ kind, key }: HoldId, devicesWait: boolean): boolean {
  const rule = kindOf(kind);
  const isFree = rule.freesDevices === true && !devicesWait;
  return (rule.changesDevices && !isFree) || rule.partOf?.(key) !== undefined;
}

/** How what a claim holds would go back now. Changes nothing. Throws as {@link decideHolds}. */
export async function wayBack(
  { host, store }: Engine,
  claim: Claim,
  deadlineMs: number,
): Promise<HoldWayBack> {
  const { owner, holds } = claim;
  const { claims } = store.all();
  return planHoldsBack({ owner, claims, seen: await readHolds(host, holds, deadlineMs) }, holds);
}

/** One thing after the other; one that fails keeps none of the others from going back. */
async function executeAll(
  { host, log }: Engine,
  { owner }: Claim,
  { changes }: HoldWayBack,
  budget: Budget,
): Promise<Awaited<ReturnType<typeof execute>>> {
  const failures = [];
  for (const { steps } of changes) {
    failures.push(
      ...(await execute(steps, { host, log, ...logOwner(owner), budget, onFailure: 'next-device' })),
    );
  }
  return failures;
}

function refuseUnlocked(names: readonly string[], locks: RunLocks): void {
  const missing = names.find((shared) => !locks.holds({ shared }));
  if (missing !== undefined)
    throw new Error(`what is shared is changed by a run without its lock: ${missing}`);
}
