import { command } from '../hint.ts';
import { goesWithHolds, type Claim } from '../claim/claim.ts';
import { claimKey, logOwner, ownerPhrase } from '../claim/owner.ts';
import type { Domain } from '../domain/domain.ts';
import { VfioHookError } from '../errors.ts';
import type { HoldPlan } from '../resource/plan-holds.ts';
import { waitForOrphans } from './blocked.ts';
import type { Engine } from './engine.ts';
import { giveBack } from './give-back.ts';
import { describeLeft, handOver, type Again, type HandOver } from './hand-over.ts';
import { holdRefusal } from './hold-refusal.ts';
import { lockRun, type RunLocks } from './lock.ts';
import { logVerdicts, refusalError, type PlannedStart } from './make-plan.ts';
import {
  concernOf,
  planAgain,
  planStart,
  startOf,
  type Concern,
  type Planned,
  type Start,
} from './plan-start.ts';

/**
 * Hands a guest's devices over: the whole IOMMU groups, or nothing. Returns when every device is where the
 * plan wants it and the claim says `held`. Throws a VfioHookError otherwise, after everything that was done
 * has been undone; what could not be undone stays in the claim and is named in a hint. `keep`: the guest has devices already,
 * and its release follows; what was done stays in the claim.
 */
export async function prepare(
  engine: Engine,
  domain: Domain,
  onFailure: HandOver['onFailure'] = 'undo',
): Promise<void> {
  const start = startOf(engine, domain);
  if (!start) return;
  const locks = lockRun(engine, start.owner, start.config.timeouts.lock);
  try {
    await prepareLocked(engine, { ...start, onFailure }, locks);
  } finally {
    locks.release();
  }
}

async function prepareLocked(
  engine: Engine,
  start: Start & Pick<HandOver, 'onFailure'>,
  locks: RunLocks,
): Promise<void> {
  const { host, log } = engine;
  const { owner, config, onFailure } = start;
  const started = host.now();
  const concern = concernShared(engine, start, locks);
  locks.groups(concern.groups);
  const planned = await withoutOtherHolds(
    engine,
    start,
    await planStart(engine, start, concern.wanted),
    locks,
  );
  const { plan, holds, own } = planned;
  refuse(engine, planned);
  const earlier = own && (await giveBackDropped(engine, own, planned, locks));
  const again = async (): Promise<Again> => {
    const second = await planAgain(engine, start, locks);
    refuse(engine, second);
    return second;
  };
  await handOver(engine, plan, {
    config,
    earlier,
    locks,
    holds,
    awaited: planned.awaited,
    onFailure,
    ...(planned.isExpected && { again }),
  });
  log.write({
    severity: 'notice',
    message: plan.devices.length === 0 ? 'no device to hand over' : 'devices handed over',
    ...logOwner(owner),
    result: 'held',
    durationMs: host.now() - started,
  });
}

/**
 * What a start is about, with the locks of what it shares. Devices that come from it may have come, or gone, with another
 * owner while this run waited for these: so it is looked up again.
 */
function concernShared(engine: Engine, start: Start, locks: RunLocks): Concern {
  const first = concernOf(engine, start);
  locks.shared(first.shared);
  return first.makesDevices ? concernOf(engine, start) : first;
}

/**
 * The plan once nothing is held any more that an earlier, unfinished start wanted and this one does not, or otherwise.
 * Devices may come from that, it may stand in the way of what is wanted now, and what is to be done begins at another
 * state: so it is given back, and the plan is made anew.
 */
async function withoutOtherHolds(
  engine: Engine,
  start: Start,
  first: Planned,
  locks: RunLocks,
): Promise<Planned> {
  const { plan, holds, own } = first;
  if (!own || holds.dropped.length === 0) return first;
  refuse(engine, { plan });
  await giveBackDropped(engine, own, first, locks);
  locks.releaseGroups();
  const { wanted, groups } = concernOf(engine, start);
  locks.groups(groups);
  return planStart(engine, start, wanted);
}

/** Throws the error of a plan that is refused. What a thing besides devices is refused for may be why there is no device. */
function refuse(
  { log, placeRules }: Engine,
  { plan, holds }: Pick<PlannedStart, 'plan'> & { readonly holds?: HoldPlan },
): void {
  logVerdicts(log, plan);
  const refused = (holds && holdRefusal(plan.owner, holds)) ?? refusalError(plan, placeRules);
  if (refused) throw refused;
}

/**
 * What this guest's earlier, unfinished claim holds and what it is not to have any more, devices and other things, and
 * the devices that come from these. Returns what is left of it.
 */
async function giveBackDropped(
  engine: Engine,
  own: Claim,
  { plan, holds }: Planned,
  locks: RunLocks,
): Promise<Claim | undefined> {
  const kept = new Set(plan.devices.map(({ address }) => address));
  const devices = own.devices.filter(
    (device) => !kept.has(device.address) || goesWithHolds(device, holds.dropped),
  );
  if (devices.length + holds.dropped.length === 0) return own;
  const waitedMs = await waitForOrphans(engine, own);
  const result = await giveBack(engine, own, locks, { part: { devices, holds: holds.dropped }, waitedMs });
  if (result.kind === 'restored') return engine.store.one(claimKey(own.owner)).claims[0];
  throw new VfioHookError(
    'VH_INCOMPLETE',
    `cannot start ${ownerPhrase(own.owner)}: what its earlier run had is not given back (${describeLeft(result)})`,
    { hints: [command('vfio-hook recover')] },
  );
}
