import type { ClaimOwner, GuestOwner } from '../claim/claim.ts';
import { logOwner, ownerPhrase } from '../claim/owner.ts';
import type { Engine } from './engine.ts';
import { flockFile, PARAMETER_LOCK, type LockOptions } from './flock.ts';

/** What a run holds while it works on IOMMU groups. */
export interface GroupLocks {
  release(): void;
}

/**
 * Takes the locks of IOMMU groups, lowest number first, so that two runs never wait for each other in a
 * circle and runs on disjoint groups never wait at all.
 * Throws VH_LOCK, with who is in the way, when the time is up.
 */
export function lockGroups(groups: readonly number[], options: LockOptions): GroupLocks {
  const { takeLock = flockFile } = options;
  const held: (() => void)[] = [];
  const release = (): void => {
    for (const giveUp of held.splice(0)) giveUp();
  };
  const deadline = options.now() + options.timeoutMs;
  try {
    for (const group of [...new Set(groups)].sort((a, b) => a - b)) {
      held.push(takeLock({ group }, deadline, options));
    }
  } catch (error) {
    release();
    throw error;
  }
  return { release };
}

/** {@link lockGroups} for an owner's run; that it has to wait, and for whom, goes to the log. */
export function lockForOwner(
  engine: Engine,
  owner: ClaimOwner,
  groups: readonly number[],
  timeoutMs: number,
): GroupLocks {
  return lockGroups(groups, optionsFor(engine, owner, timeoutMs));
}

/**
 * Takes the lock under which a guest is prepared. Two prepares of one guest are at work at once when libvirtd
 * was killed during the first; when the guest's devices were changed in between, they have no group in common,
 * and without this lock the second could overwrite the claim of the first.
 */
export function lockPrepare(engine: Engine, guest: GuestOwner, timeoutMs: number): GroupLocks {
  const options = optionsFor(engine, guest, timeoutMs);
  const { takeLock = flockFile } = options;
  return { release: takeLock({ guest: guest.uuid }, options.now() + timeoutMs, options) };
}

/**
 * Takes the lock under which allow_unsafe_interrupts is changed, and claims that say so come and go. It is the last one
 * that a run takes, for a moment: whoever has it waits for nobody.
 */
export function lockUnsafeInterrupts(engine: Engine, owner: ClaimOwner, timeoutMs: number): GroupLocks {
  const options = optionsFor(engine, owner, timeoutMs);
  const { takeLock = flockFile } = options;
  return { release: takeLock({ parameter: PARAMETER_LOCK }, options.now() + timeoutMs, options) };
}

function optionsFor(engine: Engine, owner: ClaimOwner, timeoutMs: number): LockOptions {
  const { host, log } = engine;
  return {
    ...engine,
    timeoutMs,
    who: ownerPhrase(owner),
    now: () => host.now(),
    onWait: (sentence) => {
      log.write({ severity: 'notice', message: sentence, ...logOwner(owner) });
    },
  };
}
