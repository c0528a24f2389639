import type { Claim } from '../claim/claim.ts';
import type { Config } from '../config/config.ts';
import type { Domain } from '../domain/domain.ts';
import { VfioHookError } from '../errors.ts';
import type { Plan } from '../plan/plan.ts';
import { quoteName } from '../text.ts';
import type { Engine } from './engine.ts';
import { execute, type Failure } from './execute.ts';
import { giveBack, type GiveBackResult } from './give-back.ts';
import { lockForGuest, lockPrepare } from './lock.ts';
import { refusalError } from './make-plan.ts';
import { groupsOfStart, planStart, startOf, type Start } from './plan-start.ts';

/**
 * Hands a guest's devices over: the whole IOMMU groups, or nothing. Returns when every device is where the
 * plan wants it and the claim says `held`. Throws a VfioHookError otherwise, after everything that was done
 * has been undone; what could not be undone stays in the claim and is named in a hint.
 */
export async function prepare(engine: Engine, domain: Domain): Promise<void> {
  const start = startOf(engine, domain);
  if (!start) return;
  const lock = lockPrepare(engine, domain, start.config.timeouts.lock);
  try {
    await prepareLocked(engine, start);
  } finally {
    lock.release();
  }
}

async function prepareLocked(engine: Engine, start: Start): Promise<void> {
  const { host, log } = engine;
  const { guest: domain, config } = start;
  const started = host.now();
  const groups = groupsOfStart(engine, start);
  const locks = lockForGuest(engine, domain.name, groups.concerned, config.timeouts.lock);
  try {
    const { plan, own } = await planStart(engine, start, groups.wanted);
    for (const { device, kind, reason } of plan.verdicts) {
      log.write({
        severity: 'debug',
        message: `verdict: ${reason}`,
        guest: domain.name,
        device,
        result: kind,
      });
    }
    const refused = refusalError(plan);
    if (refused) throw refused;
    for (const { device, detail } of plan.verdicts.flatMap((verdict) => verdict.allowed ?? [])) {
      log.write({
        severity: 'warning',
        message: `taken from the host, as the configuration allows: ${detail}`,
        guest: domain.name,
        device,
      });
    }
    if (own) await giveBackDropped(engine, own, plan);
    await handOver(engine, plan, { config, isFirst: !own });
    log.write({
      severity: 'notice',
      message: plan.devices.length === 0 ? 'no device to hand over' : 'devices handed over',
      guest: domain.name,
      result: 'held',
      durationMs: host.now() - started,
    });
  } finally {
    locks.release();
  }
}

/** What handing over goes by, besides the plan. */
interface HandOver {
  readonly config: Config;
  /** Whether the guest has no claim yet. */
  readonly isFirst: boolean;
}

async function handOver(engine: Engine, plan: Plan, { config, isFirst }: HandOver): Promise<void> {
  const { host, log } = engine;
  if (plan.devices.length === 0) return;
  const claim: Claim = {
    version: 1,
    bootId: engine.bootId,
    guest: plan.guest,
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
    guest: plan.guest.name,
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
 * The record without which nothing is changed. One that may not last, since only the last sync of it failed, is
 * no record either: it goes again, or other guests would be kept from devices that nobody holds.
 */
function recordIntent({ store }: Engine, claim: Claim, isFirst: boolean): void {
  try {
    store.write(claim);
  } catch (error) {
    if (isFirst)
      attempt(() => {
        store.remove(claim.guest.uuid);
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
    return await giveBack(engine, claim);
  } catch (error) {
    if (!(error instanceof VfioHookError)) throw error;
    return { kind: 'incomplete', leftovers: [error.message], stuck: claim.stuck };
  }
}

/** A claim that cannot be finished is as bad as a step that failed: the guest must not start on it. */
function recordHeld(engine: Engine, claim: Claim): Trouble | undefined {
  try {
    engine.store.write({ ...claim, state: 'held' });
    return undefined;
  } catch (error) {
    if (!(error instanceof VfioHookError)) throw error;
    return { sentence: error.message, hints: [] };
  }
}

/** Devices that this guest's earlier, unfinished claim holds and that it is not assigned any more. */
async function giveBackDropped(engine: Engine, own: Claim, plan: Plan): Promise<void> {
  const kept = new Set(plan.devices.map(({ address }) => address));
  const dropped = own.devices.filter(({ address }) => !kept.has(address));
  if (dropped.length === 0) return;
  const result = await giveBack(engine, own, dropped);
  if (result.kind === 'restored') return;
  throw new VfioHookError(
    'VH_INCOMPLETE',
    `cannot start guest ${quoteName(own.guest.name)}: devices of its earlier run are not given back (${describe(result)})`,
    { hints: ['vfio-hook recover'] },
  );
}

/** What kept a start from succeeding. */
type Trouble = Pick<Failure, 'sentence' | 'hints' | 'errno' | 'stuck'>;

function startError(plan: Plan, failure: Trouble, undone: GiveBackResult): VfioHookError {
  const complete = undone.kind === 'restored';
  return new VfioHookError(
    failure.stuck ? 'VH_STUCK' : 'VH_KERNEL',
    `${failure.sentence}; guest ${quoteName(plan.guest.name)} is not started${complete ? ' and everything is as it was' : ''}`,
    {
      hints: [
        ...(complete ? [] : [`not everything is back (${describe(undone)}); retry with: vfio-hook recover`]),
        ...failure.hints,
      ],
      ...(failure.errno !== undefined && { errno: failure.errno }),
    },
  );
}

function describe(result: GiveBackResult): string {
  switch (result.kind) {
    case 'restored':
      return 'nothing';
    case 'in-use':
      return `IOMMU group ${result.group} is open in ${result.holders}`;
    case 'incomplete':
      return result.leftovers.join('; ');
  }
}
