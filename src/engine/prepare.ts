import { command } from '../hint.ts';
import type { Claim } from '../claim/claim.ts';
import { claimKey, logOwner, ownerPhrase } from '../claim/owner.ts';
import type { Domain } from '../domain/domain.ts';
import { VfioHookError } from '../errors.ts';
import type { Plan } from '../plan/plan.ts';
import type { Engine } from './engine.ts';
import { giveBack } from './give-back.ts';
import { describeLeft, handOver } from './hand-over.ts';
import { lockRun, type RunLocks } from './lock.ts';
import { logVerdicts, refusalError } from './make-plan.ts';
import { concernOf, planStart, startOf, type Start } from './plan-start.ts';

/**
 * Hands a guest's devices over: the whole IOMMU groups, or nothing. Returns when every device is where the
 * plan wants it and the claim says `held`. Throws a VfioHookError otherwise, after everything that was done
 * has been undone; what could not be undone stays in the claim and is named in a hint.
 */
export async function prepare(engine: Engine, domain: Domain): Promise<void> {
  const start = startOf(engine, domain);
  if (!start) return;
  const locks = lockRun(engine, start.owner, start.config.timeouts.lock);
  try {
    await prepareLocked(engine, start, locks);
  } finally {
    locks.release();
  }
}

async function prepareLocked(engine: Engine, start: Start, locks: RunLocks): Promise<void> {
  const { host, log } = engine;
  const { owner, config } = start;
  const started = host.now();
  const concern = concernOf(engine, start);
  locks.shared(concern.shared);
  locks.groups(concern.groups);
  const { plan, own } = await planStart(engine, start, concern.wanted);
  logVerdicts(log, plan);
  const refused = refusalError(plan, engine.placeRules);
  if (refused) throw refused;
  const earlier = own && (await giveBackDropped(engine, own, plan, locks));
  await handOver(engine, plan, { config, earlier, locks });
  log.write({
    severity: 'notice',
    message: plan.devices.length === 0 ? 'no device to hand over' : 'devices handed over',
    ...logOwner(owner),
    result: 'held',
    durationMs: host.now() - started,
  });
}

/** Devices that this guest's earlier, unfinished claim holds and that it is not assigned any more. Returns what is left of it. */
async function giveBackDropped(
  engine: Engine,
  own: Claim,
  plan: Plan,
  locks: RunLocks,
): Promise<Claim | undefined> {
  const kept = new Set(plan.devices.map(({ address }) => address));
  const dropped = own.devices.filter(({ address }) => !kept.has(address));
  if (dropped.length === 0) return own;
  const result = await giveBack(engine, own, locks, { only: dropped });
  if (result.kind === 'restored') return engine.store.one(claimKey(own.owner)).claims[0];
  throw new VfioHookError(
    'VH_INCOMPLETE',
    `cannot start ${ownerPhrase(own.owner)}: devices of its earlier run are not given back (${describeLeft(result)})`,
    { hints: [command('vfio-hook recover')] },
  );
}
