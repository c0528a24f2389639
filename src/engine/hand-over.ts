import { advice } from '../hint.ts';
import type { Claim } from '../claim/claim.ts';
import { claimKey, logOwner, ownerPhrase } from '../claim/owner.ts';
import type { Config } from '../config/config.ts';
import { VfioHookError } from '../errors.ts';
import { asFailure } from '../failure.ts';
import type { Plan } from '../plan/plan.ts';
import { quoteName } from '../text.ts';
import type { Engine } from './engine.ts';
import { execute, type Failure } from './execute.ts';
import { giveBack, type GiveBackResult } from './give-back.ts';

/** What a hand-over goes by, besides the plan. */
export interface HandOver {
  readonly config: Config;
  /** Whether the owner has no claim yet. */
  readonly isFirst: boolean;
}

/**
 * Hands the devices of a plan over to its owner: claims them, does the steps, and marks the claim as held.
 * All or nothing: throws a VfioHookError after everything that was done has been undone; what could not be
 * undone stays in the claim and is named in a hint. The caller holds the locks of the plan's groups.
 */
export async function handOver(engine: Engine, plan: Plan, { config, isFirst }: HandOver): Promise<void> {
  const { host, log } = engine;
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
  const claim: Claim = {
    version: 2,
    bootId: engine.bootId,
    owner: plan.owner,
    state: 'preparing',
    claimedAt: engine.clock().toISOString(),
    writer: host.self(),
    kernelWriteTimeout: config.timeouts.kernelWrite,
    groups: plan.groups,
    devices: plan.devices,
    stuck: [],
    leftovers: [],
  };
  recordIntent(engine, claim, isFirst);
  const [failure] = await execute(plan.steps, {
    host,
    log,
    ...logOwner(plan.owner),
    deadlineMs: config.timeouts.kernelWrite,
    onFailure: 'stop',
    interrupted: engine.interrupted,
  });
  const trouble = failure ?? recordHeld(engine, claim);
  if (!trouble) return;
  const undone = await rollBack(engine, { ...claim, stuck: trouble.stuck ? [trouble.stuck] : [] });
  throw startError(plan, trouble, undone);
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
function recordIntent({ store }: Engine, claim: Claim, isFirst: boolean): void {
  try {
    store.write(claim);
  } catch (error) {
    if (isFirst)
      attempt(() => {
        store.remove(claimKey(claim.owner));
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
async function rollBack(engine: Engine, claim: Claim): Promise<GiveBackResult> {
  try {
    return await giveBack(engine, claim, { undoing: true });
  } catch (error) {
    const failure = asFailure(error);
    if (!failure) throw error;
    return { kind: 'incomplete', leftovers: [failure.message], stuck: claim.stuck };
  }
}

/** A claim that cannot be finished is as bad as a step that failed: nobody must start on it. */
function recordHeld(engine: Engine, claim: Claim): Trouble | undefined {
  try {
    engine.store.write({ ...claim, state: 'held' });
    return undefined;
  } catch (error) {
    if (!(error instanceof VfioHookError)) throw error;
    return { sentence: error.message, hints: [] };
  }
}

/** What kept a hand-over from succeeding. */
type Trouble = Pick<Failure, 'sentence' | 'hints' | 'errno' | 'stuck'>;

function startError(plan: Plan, failure: Trouble, undone: GiveBackResult): VfioHookError {
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
