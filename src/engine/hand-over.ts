import { advice } from '../hint.ts';
import type { Claim } from '../claim/claim.ts';
import { claimKey, logOwner, ownerPhrase } from '../claim/owner.ts';
import type { Config } from '../config/config.ts';
import { VfioHookError } from '../errors.ts';
import { asFailure } from '../failure.ts';
import type { Plan } from '../plan/plan.ts';
import type { PciAddress } from '../pci/address.ts';
import { holdSteps, type HoldPlan } from '../resource/plan-holds.ts';
import type { Step } from '../steps/step.ts';
import { quoteName } from '../text.ts';
import type { Engine } from './engine.ts';
import { budgetOf, type Budget } from './budget.ts';
import { execute, type Failure, type Trouble } from './execute.ts';
import { giveBack, type GiveBackResult } from './give-back.ts';
import type { RunLocks } from './lock.ts';
import { allowUnsafeInterrupts } from './unsafe-interrupts.ts';

/** What a hand-over goes by, besides the plan. */
export interface HandOver {
  readonly config: Config;
  /** The claim that the owner has already. */
  readonly earlier: Claim | undefined;
  /** With those of the claim, of the plan's groups, and of what the owner shares with others. */
  readonly locks: RunLocks;
  /** What the owner gets besides devices; absent: nothing. */
  readonly holds?: HoldPlan;
  /** As in PlannedStart; absent: none. */
  readonly awaited?: readonly PciAddress[];
  /** `keep`: what was done stays in the claim, for a release that follows; absent: it is undone. */
  readonly onFailure?: 'undo' | 'keep' | undefined;
  /**
   * The holds make devices, or free some, and the plan is what is expected then: plans them anew, from what is there.
   * Throws a VfioHookError when something is in the way.
   */
  readonly again?: () => Promise<Again>;
}

/** What is planned from what is there, once holds have made it. */
export interface Again {
  readonly plan: Plan;
  /** With what is set of that. */
  readonly holds: HoldPlan;
}

/**
 * Hands over to an owner what is planned: claims it, does the steps, first those of what is no device, and marks the
 * claim as held. All or nothing: throws a VfioHookError after everything that was done has been undone; what could not be
 * undone stays in the claim and is named in a hint.
 */
export async function handOver(engine: Engine, plan: Plan, way: HandOver): Promise<void> {
  const { config, earlier, locks, holds, awaited = [], again } = way;
  if (plan.devices.length === 0 && (holds?.holds.length ?? 0) === 0) return;
  refuseUninstalled(engine);
  const budget = budgetOf(engine.host, config.timeouts);
  for (const message of holds?.notes ?? []) {
    engine.log.write({ severity: 'warning', message, ...logOwner(plan.owner) });
  }
  let claim = intentOf(engine, again ? presentPart(plan) : plan, way);
  recordIntent(engine, claim, locks, earlier === undefined);
  let troubles: readonly Trouble[] = await executed(
    engine,
    plan.owner,
    holds ? holdSteps(holds, awaited) : [],
    budget,
  );
  let devices = plan;
  if (troubles.length === 0 && again) {
    const second = await secondRound(engine, claim, locks, again);
    if ('trouble' in second) troubles = [second.trouble];
    else {
      ({ claim, plan: devices } = second);
      const steps = second.holds.changes.flatMap((change) => change.steps);
      troubles = await executed(engine, plan.owner, steps, budget);
    }
  }
  if (troubles.length === 0)
    ({ claim, troubles } = await moveDevices(engine, devices, { claim, locks, budget }));
  if (troubles.length === 0) troubles = recordHeld(engine, claim, locks);
  const [trouble, ...others] = worstFirst(troubles);
  if (!trouble) return;
  const stuck = troubles.flatMap((each) => each.stuck ?? []);
  if (way.onFailure === 'keep') {
    attempt(() => {
      engine.store.write({ ...claim, state: stuck.length > 0 ? 'stuck' : 'preparing', stuck }, locks);
    });
    throw startError(plan, trouble, others);
  }
  throw startError(plan, trouble, others, await rollBack(engine, { ...claim, stuck }, locks));
}

/** The claim before the first change. */
function intentOf(
  { host, bootId, clock }: Engine,
  { owner, groups, devices }: Plan,
  { config, earlier, holds }: HandOver,
): Claim {
  return {
    version: 3,
    bootId,
    owner,
    state: 'preparing',
    claimedAt: clock().toISOString(),
    writer: host.self(),
    kernelWriteTimeout: config.timeouts.kernelWrite,
    groups,
    devices,
    holds: holds?.holds ?? [],
    unsafeInterrupts: earlier?.unsafeInterrupts,
    stuck: [],
    leftovers: [],
  };
}

/** What there is already of what a plan expects. */
function presentPart(plan: Plan): Plan {
  return { ...plan, devices: plan.devices.filter(({ group }) => group >= 0) };
}

/** Plans the devices anew, and what is set of them, and claims what has come. */
async function secondRound(
  engine: Engine,
  claim: Claim,
  locks: RunLocks,
  again: () => Promise<Again>,
): Promise<(Again & { readonly claim: Claim }) | { readonly trouble: Trouble }> {
  try {
    const { plan, holds } = await again();
    const extended: Claim = {
      ...claim,
      groups: plan.groups,
      devices: plan.devices,
      holds: holds.holds,
    };
    engine.store.write(extended, locks);
    return { claim: extended, plan, holds };
  } catch (error) {
    const failure = asFailure(error);
    if (!failure) throw error;
    const { message: sentence, hints, errno, code } = failure;
    return { trouble: { sentence, hints, code, ...(errno !== undefined && { errno }) } };
  }
}

interface Move {
  readonly claim: Claim;
  readonly locks: RunLocks;
  readonly budget: Budget;
}

/** Does the steps of a plan. Returns the claim as it is on disk then, and what went wrong. */
async function moveDevices(
  engine: Engine,
  plan: Plan,
  { claim, locks, budget }: Move,
): Promise<{ readonly claim: Claim; readonly troubles: readonly Trouble[] }> {
  for (const { device, detail } of plan.verdicts.flatMap((verdict) => verdict.allowed ?? [])) {
    engine.log.write({
      severity: 'warning',
      message: `taken from the host, as it is allowed: ${detail}`,
      ...logOwner(plan.owner),
      device,
    });
  }
  // What a parameter is before is known once its module is loaded, and no earlier.
  const isLoad = ({ kind }: Step): boolean => kind === 'load-module';
  const isParameter = (step: Step): boolean => step.kind === 'set' && step.attribute === 'module-parameter';
  const moves = plan.steps.filter((step) => !isLoad(step) && !isParameter(step));
  const failed = await executed(engine, plan.owner, plan.steps.filter(isLoad), budget);
  if (failed.length > 0) return { claim, troubles: failed };
  const allowed = plan.unsafeInterrupts
    ? await allowUnsafeInterrupts(engine, claim, locks, budget)
    : { claim, failure: undefined };
  if (allowed.failure) return { claim: allowed.claim, troubles: [allowed.failure] };
  return { claim: allowed.claim, troubles: await executed(engine, plan.owner, moves, budget) };
}

function executed(
  { host, log, interrupted, runScript }: Engine,
  owner: Plan['owner'],
  steps: readonly Step[],
  budget: Budget,
): Promise<readonly Failure[]> {
  return execute(steps, {
    host: runScript ? { ...host, runScript } : host,
    log,
    ...logOwner(owner),
    budget,
    onFailure: 'stop',
    interrupted,
  });
}

/**
 * A run that waited for its locks while install.sh --uninstall held them: nothing would ever give back what it took.
 * Throws VH_INSTALLATION.
 */
function refuseUninstalled({ isInstalled }: Engine): void {
  if (isInstalled?.() !== false) return;
  throw new VfioHookError('VH_INSTALLATION', 'vfio-hook was removed from this host while this run waited', {
    hints: [advice('nothing was changed')],
  });
}

/**
 * The record without which nothing is changed. One that may not last, since only the last sync of it failed, is
 * no record either: it goes again, or others would be kept from devices that nobody holds.
 */
function recordIntent({ store }: Engine, claim: Claim, locks: RunLocks, isFirst: boolean): void {
  try {
    store.write(claim, locks);
  } catch (error) {
    if (isFirst)
      attempt(() => {
        store.remove(claimKey(claim.owner), locks);
      });
    throw error;
  }
}

function attempt(action: () => void): void {
  try {
    action();
  } catch {
    // What is reported is why it was to be done.
  }
}

/** Why the start failed must be heard also when undoing it fails for a reason of its own. */
async function rollBack(engine: Engine, claim: Claim, locks: RunLocks): Promise<GiveBackResult> {
  try {
    return await giveBack(engine, claim, locks, { undoing: true });
  } catch (error) {
    const failure = asFailure(error);
    if (!failure) throw error;
    return { kind: 'incomplete', leftovers: [failure.message], stuck: claim.stuck };
  }
}

/** A claim that cannot be finished is as bad as a step that failed: nobody must start on it. */
function recordHeld(engine: Engine, claim: Claim, locks: RunLocks): readonly Trouble[] {
  try {
    engine.store.write({ ...claim, state: 'held' }, locks);
    return [];
  } catch (error) {
    if (!(error instanceof VfioHookError)) throw error;
    return [{ sentence: error.message, hints: [] }];
  }
}

/** What cards came to side by side: writes that have not returned first, since they keep something from being undone. */
function worstFirst(troubles: readonly Trouble[]): readonly Trouble[] {
  return [...troubles].sort((a, b) => Number(b.stuck !== undefined) - Number(a.stuck !== undefined));
}

function startError(
  plan: Plan,
  failure: Trouble,
  others: readonly Trouble[],
  undone?: GiveBackResult,
): VfioHookError {
  const complete = undone?.kind === 'restored';
  return new VfioHookError(
    failure.code ?? (failure.stuck ? 'VH_STUCK' : 'VH_KERNEL'),
    `${failure.sentence}; ${notDone(plan.owner)}${complete ? ' and everything is as it was' : ''}`,
    {
      hints: [
        ...(complete || !undone
          ? []
          : [advice(`not everything is back (${describeLeft(undone)}); retry with: vfio-hook recover`)]),
        ...failure.hints,
        ...others.flatMap(({ sentence, hints }) => [advice(`also: ${sentence}`), ...hints]),
      ],
      ...(failure.errno !== undefined && { errno: failure.errno }),
    },
  );
}

/** What is not back, in words. */
export function describeLeft(result: GiveBackResult): string {
  switch (result.kind) {
    case 'restored':
      return 'nothing';
    case 'in-use':
      return `IOMMU group ${result.group} is open in ${result.holders}`;
    case 'incomplete':
      return result.leftovers.join('; ');
  }
}

function notDone(owner: Claim['owner']): string {
  switch (owner.kind) {
    case 'guest':
      return `${ownerPhrase(owner)} is not started`;
    case 'manual':
      return 'nothing is detached';
    case 'run':
      return `${quoteName(owner.command)} is not started`;
  }
}
