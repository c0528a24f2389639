import type { Claim, ClaimOwner, StuckWrite } from '../claim/claim.ts';
import { claimKey, logOwner } from '../claim/owner.ts';
import type { Config } from '../config/config.ts';
import { asFailure } from '../failure.ts';
import type { Host } from '../host/host.ts';
import { readInterrupts, readUnsafeInterrupts } from '../observe/vfio-state.ts';
import { BACK_END, UNSAFE_INTERRUPTS } from '../pci/vfio-state.ts';
import { wayOff, wayOn } from '../plan/unsafe-interrupts.ts';
import { UNSAFE_PATH } from './blocked.ts';
import type { Budget } from './budget.ts';
import type { Engine } from './engine.ts';
import { execute, type Trouble } from './execute.ts';
import type { RunLocks } from './lock.ts';

/**
 * The lock under which the parameter is changed, and claims that say so come and go: between a look at the claims of
 * the others and the own claim nobody else can come. A run has it from before its groups to its end, as it has every
 * lock of what owners share.
 */
const LOCK = `parameter ${BACK_END} ${UNSAFE_INTERRUPTS}`;

/** What a start shares with other owners, by the names of the locks. A plan finds out later whether it needs it. */
export function sharedOfStart(
  host: Host,
  of: { readonly owner: ClaimOwner; readonly config: Config; readonly before?: Claim | undefined },
): readonly string[] {
  if (of.before?.unsafeInterrupts) return [LOCK];
  const isAllowed = of.config.allowUnsafeInterrupts && of.owner.kind !== 'manual';
  return isAllowed && readInterrupts(host) !== 'remapped' ? [LOCK] : [];
}

/** What the owner of a claim shares with others, by the names of the locks. */
export function sharedOfClaim({ unsafeInterrupts }: Claim): readonly string[] {
  return unsafeInterrupts ? [LOCK] : [];
}

/** The claim as it is on disk then, and what went wrong. */
interface Allowed {
  readonly claim: Claim;
  readonly failure: Trouble | undefined;
}

/** Turns allow_unsafe_interrupts on for an owner, as far as it is not: the claim says so first. */
export async function allowUnsafeInterrupts(
  engine: Engine,
  claim: Claim,
  locks: RunLocks,
  budget: Budget,
): Promise<Allowed> {
  const { host, log, store } = engine;
  refuseUnlocked(locks);
  let recorded = claim;
  try {
    const way = wayOn(readUnsafeInterrupts(host), [claim, ...othersOf(engine, claim)]);
    if (!way.recorded) return { claim, failure: undefined };
    recorded = { ...claim, unsafeInterrupts: { original: 'N' } };
    store.write(recorded, locks);
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
      budget,
      onFailure: 'stop',
      interrupted: engine.interrupted,
    });
    return { claim: recorded, failure };
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

/** How the parameter was turned off, and the claim of an owner that has nothing more to do with it. */
interface Withdrawn {
  readonly claim: Claim;
  readonly leftovers: readonly string[];
  readonly stuck: readonly StuckWrite[];
}

/** Turns allow_unsafe_interrupts off when no other claim needs it. Changes no claim: that is for the caller. */
export async function withdrawUnsafeInterrupts(
  engine: Engine,
  claim: Claim,
  locks: RunLocks,
  budget: Budget,
): Promise<Withdrawn> {
  const { host, log } = engine;
  refuseUnlocked(locks);
  // It would take effect after ours. That it waits is a leftover already.
  if (claim.stuck.some(({ path }) => path === UNSAFE_PATH)) return { claim, leftovers: [], stuck: [] };
  try {
    const failures = await execute(wayOff(readUnsafeInterrupts(host), othersOf(engine, claim)), {
      host,
      log,
      ...logOwner(claim.owner),
      budget,
      onFailure: 'next-device',
    });
    return {
      claim: failures.length > 0 ? claim : { ...claim, unsafeInterrupts: undefined },
      leftovers: failures.map(({ sentence }) => sentence),
      stuck: failures.flatMap(({ stuck }) => stuck ?? []),
    };
  } catch (error) {
    const failure = asFailure(error);
    if (!failure) throw error;
    return { claim, leftovers: [`not as before: ${UNSAFE_PATH}: ${failure.message}`], stuck: [] };
  }
}

function refuseUnlocked(locks: RunLocks): void {
  if (!locks.holds({ shared: LOCK })) throw new Error(`${UNSAFE_PATH} is changed by a run without its lock`);
}

function othersOf({ store }: Engine, { owner }: Claim): readonly Claim[] {
  return store.all().claims.filter((other) => claimKey(other.owner) !== claimKey(owner));
}
