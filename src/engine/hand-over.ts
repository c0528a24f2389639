import { advice } from '../hint.ts';
import type { Claim } from '../claim/claim.ts';
import { claimKey, logOwner, ownerPhrase } from '../claim/owner.ts';
import type { Config } from '../config/config.ts';
import { VfioHookError } from '../errors.ts';
import { asFailure } from '../failure.ts';
import type { Plan } from '../plan/plan.ts';
import type { Step } from '../steps/step.ts';
import { quoteName } from '../text.ts';
import type { Engine } from './engine.ts';
import { budgetOf } from './budget.ts';
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
}

/**
 * Hands the devices of a plan over to its owner: claims them, does the steps, and marks the claim as held.
 * All or nothing: throws a VfioHookError after everything that was done has been undone; what could not be
 * undone stays in the claim and is named in a hint.
 */
export async function handOver(
  engine: Engine,
  plan: Plan,
  { config, earlier, locks }: HandOver,
): Promise<void> {
  const { host, log } = engine;
  const { timeouts } = config;
  if (plan.devices.length === 0) return;
  refuseUninstalled(engine);
  for (const { device, detail } of plan.verdicts.flatMap((verdict) => verdict.allowed ?? [])) {
    log.write({
      severity: 'warning',
      message: `taken from the host, as it is allowed: ${detail}`,
      ...logOwner(plan.owner),
      device,
    });
  }
  const intent: Claim = {
    version: 3,
    bootId: engine.bootId,
    owner: plan.owner,
    state: 'preparing',
    claimedAt: engine.clock().toISOString(),
    writer: host.self(),
    kernelWriteTimeout: timeouts.kernelWrite,
    groups: plan.groups,
    devices: plan.devices,
    holds: earlier?.holds ?? [],
    unsafeInterrupts: earlier?.unsafeInterrupts,
    stuck: [],
    leftovers: [],
  };
  recordIntent(engine, intent, locks, earlier === undefined);
  const budget = budgetOf(host, timeouts);
  const executed = (steps: readonly Step[]): Promise<readonly Failure[]> =>
    execute(steps, {
      host,
      log,
      ...logOwner(plan.owner),
      budget,
      onFailure: 'stop',
      interrupted: engine.interrupted,
    });
  // What a parameter is before is known once its module is loaded, and no earlier.
  const isLoad = ({ kind }: Step): boolean => kind === 'load-module';
  const isParameter = (step: Step): boolean => step.kind === 'set' && step.attribute === 'module-parameter';
  const moves = plan.steps.filter((step) => !isLoad(step) && !isParameter(step));
  const [failure] = await executed(plan.steps.filter(isLoad));
  const allowed =
    failure || !plan.unsafeInterrupts
      ? { claim: intent, failure }
      : await allowUnsafeInterrupts(engine, intent, locks, budget);
  const { claim } = allowed;
  const failures = allowed.failure ? [allowed.failure] : await executed(moves);
  const troubles = worstFirst(failures.length > 0 ? failures : recordHeld(engine, claim, locks));
  const [trouble, ...others] = troubles;
  if (!trouble) return;
  const undone = await rollBack(
    engine,
    { ...claim, stuck: troubles.flatMap(({ stuck }) => stuck ?? []) },
    locks,
  );
  throw startError(plan, trouble, others, undone);
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
  undone: GiveBackResult,
): VfioHookError {
  const complete = undone.kind === 'restored';
  return new VfioHookError(
    failure.stuck ? 'VH_STUCK' : 'VH_KERNEL',
    `${failure.sentence}; ${notDone(plan.owner)}${complete ? ' and everything is as it was' : ''}`,
    {
      hints: [
        ...(complete
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
