import type { Claim } from '../claim/claim.ts';
import { claimKey, logOwner } from '../claim/owner.ts';
import { defaultConfig, type Config } from '../config/config.ts';
import { asFailure } from '../failure.ts';
import { readUnsafeInterrupts } from '../observe/vfio-state.ts';
import { wayOff, wayOn } from '../plan/unsafe-interrupts.ts';
import { UNSAFE_PATH } from './blocked.ts';
import type { Engine } from './engine.ts';
import { execute, type Trouble } from './execute.ts';
import type { Ended } from './give-back.ts';
import { lockUnsafeInterrupts } from './lock.ts';

/** The claim as it is on disk then, and what went wrong. */
interface Allowed {
  readonly claim: Claim;
  readonly failure: Trouble | undefined;
}

/**
 * Turns allow_unsafe_interrupts on for an owner, as far as it is not: the claim says so first. The lock keeps others
 * from turning it off between the look at it and the claim; the plan had none when it looked.
 */
export async function allowUnsafeInterrupts(
  engine: Engine,
  claim: Claim,
  timeouts: Config['timeouts'],
): Promise<Allowed> {
  let recorded = claim;
  try {
    const locks = lockUnsafeInterrupts(engine, claim.owner, timeouts.lock);
    try {
      const { host, log, store } = engine;
      const way = wayOn(readUnsafeInterrupts(host), [claim, ...othersOf(engine, claim)]);
      if (!way.recorded) return { claim, failure: undefined };
      recorded = { ...claim, version: 3, unsafeInterrupts: { original: 'N' } };
      store.write(recorded);
      log.write({
        severity: 'warning',
        message:
          'interrupts are not remapped, and the configuration lets guests start all the same: whoever has the devices could take over the host',
        ...logOwner(claim.owner),
      });
      const [failure] = await execute(way.steps, {
        host,
        log,
        ...logOwner(claim.owner),
        deadlineMs: timeouts.kernelWrite,
        onFailure: 'stop',
        interrupted: engine.interrupted,
      });
      return { claim: recorded, failure };
    } finally {
      locks.release();
    }
  } catch (error) {
    const failure = asFailure(error);
    if (!failure) throw error;
    const { message, hints, errno } = failure;
    return {
      claim: recorded,
      failure: { sentence: message, hints, ...(errno !== undefined && { errno }) },
    };
  }
}

/**
 * Turns allow_unsafe_interrupts off when no other claim needs it, then lets `settle` write or remove the claim. Both
 * under one lock: of two owners that end at once, each would else leave it to the other.
 */
export async function withdrawUnsafeInterrupts<T>(
  engine: Engine,
  claim: Claim,
  deadlineMs: number,
  settle: (ended: Ended & { readonly claim: Claim }) => T,
): Promise<T> {
  const notBack = (error: unknown): Ended & { readonly claim: Claim } => {
    const failure = asFailure(error);
    if (!failure) throw error;
    return { claim, notes: [], leftovers: [`not as before: ${UNSAFE_PATH}: ${failure.message}`], stuck: [] };
  };
  let locks;
  try {
    locks = lockUnsafeInterrupts(engine, claim.owner, defaultConfig.timeouts.lock);
  } catch (error) {
    return settle(notBack(error));
  }
  try {
    return settle(await turnedOff(engine, claim, deadlineMs).catch(notBack));
  } finally {
    locks.release();
  }
}

async function turnedOff(
  engine: Engine,
  claim: Claim,
  deadlineMs: number,
): Promise<Ended & { readonly claim: Claim }> {
  const { host, log } = engine;
  // It would take effect after ours. That it waits is a leftover already.
  if (claim.stuck.some(({ path }) => path === UNSAFE_PATH))
    return { claim, notes: [], leftovers: [], stuck: [] };
  const failures = await execute(wayOff(readUnsafeInterrupts(host), othersOf(engine, claim)), {
    host,
    log,
    ...logOwner(claim.owner),
    deadlineMs,
    onFailure: 'next-device',
  });
  return {
    claim: failures.length > 0 ? claim : { ...claim, version: 2, unsafeInterrupts: undefined },
    notes: [],
    leftovers: failures.map(({ sentence }) => sentence),
    stuck: failures.flatMap(({ stuck }) => stuck ?? []),
  };
}

function othersOf({ store }: Engine, { owner }: Claim): readonly Claim[] {
  return store.all().claims.filter((other) => claimKey(other.owner) !== claimKey(owner));
}
