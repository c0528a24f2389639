import type { ClaimOwner } from '../claim/claim.ts';
import { claimKey, isGuestKey, logOwner, ownerPhrase } from '../claim/owner.ts';
import type { Engine } from './engine.ts';
import { flockFile, type GiveUp, type LockOptions } from './flock.ts';
import { compareLocks, lockFile, type HeldLocks, type LockName } from './lock-name.ts';

/** What locks need of an engine. */
export interface LockPlace extends Pick<Engine, 'stateDirectory' | 'trustedUid' | 'takeLock'> {
  readonly host: Pick<Engine['host'], 'now'>;
  readonly log: Pick<Engine['log'], 'write'>;
  readonly store: Pick<Engine['store'], 'one'>;
}

/**
 * What one run has locked, from {@link lockRun} to `release`: first claims, then what owners share, then groups, each
 * asked for at once. Every method throws VH_LOCK, with who is in the way, when the run's time for waiting is up, and
 * an Error, a fault of this program, when a lock is asked for that comes before one that the run has.
 */
export interface RunLocks extends HeldLocks {
  /** Locks things of the host that several owners share, by their names, for the rest of the run. */
  shared(names: readonly string[]): void;
  /** Locks IOMMU groups, by their numbers. */
  groups(numbers: readonly number[]): void;
  /**
   * Gives the groups up and keeps the rest, so that others can be asked for. Meanwhile the claim keeps everybody from
   * the devices in it.
   */
  releaseGroups(): void;
  /** Gives everything up. */
  release(): void;
}

/**
 * Begins a run for an owner with the lock of its claim, and with those of `others` whose claims the run writes, too.
 * All that it then waits for its locks may take `timeoutMs`; that it has to wait, and for whom, goes to the log.
 */
export function lockRun(
  place: LockPlace,
  owner: ClaimOwner,
  timeoutMs: number,
  others: readonly ClaimOwner[] = [],
): RunLocks {
  const { takeLock = flockFile } = place;
  const options = optionsFor(place, owner, timeoutMs);
  const held: Held[] = [];
  let leftMs = timeoutMs;

  const take = (names: readonly LockName[]): void => {
    for (const name of inOrder(names)) {
      refuseBackwards(name, held.at(-1)?.name);
      const began = options.now();
      held.push({ name, giveUp: takeLock(name, began + leftMs, options) });
      leftMs = Math.max(0, leftMs - (options.now() - began));
    }
  };
  const giveUp = (isGivenUp: (name: LockName) => boolean): void => {
    for (let last = held.at(-1); last && isGivenUp(last.name); last = held.at(-1)) {
      held.pop();
      last.giveUp(isOver(place, last.name));
    }
  };
  const locks: RunLocks = {
    holds: (name) => held.some((each) => compareLocks(each.name, name) === 0),
    shared: (names) => {
      take(names.map((shared) => ({ shared })));
    },
    groups: (numbers) => {
      take(numbers.map((group) => ({ group })));
    },
    releaseGroups: () => {
      giveUp((name) => 'group' in name);
    },
    release: () => {
      giveUp(() => true);
    },
  };
  try {
    take([owner, ...others].map((each) => ({ claim: claimKey(each) })));
  } catch (error) {
    locks.release();
    throw error;
  }
  return locks;
}

interface Held {
  readonly name: LockName;
  readonly giveUp: GiveUp;
}

/** Each once. */
function inOrder(names: readonly LockName[]): LockName[] {
  const sorted = [...names].sort(compareLocks);
  return sorted.filter((name, index) => index === 0 || compareLocks(sorted[index - 1] ?? name, name) !== 0);
}

/** The one order keeps runs from waiting for each other in a circle; flock(2) would make this one wait for itself. */
function refuseBackwards(name: LockName, last: LockName | undefined): void {
  if (!last || compareLocks(last, name) < 0) return;
  throw new Error(`the lock ${lockFile(name)} is asked for by a run that has ${lockFile(last)}`);
}

/** Whether a lock is that of a claim that is gone and never comes back: without end, each detach would leave a file. */
function isOver({ store }: LockPlace, name: LockName): boolean {
  if (!('claim' in name) || isGuestKey(name.claim)) return false;
  try {
    const { claims, damaged, outdated } = store.one(name.claim);
    return claims.length + damaged.length + outdated.length === 0;
  } catch {
    return false;
  }
}

function optionsFor(place: LockPlace, owner: ClaimOwner, timeoutMs: number): LockOptions {
  const { host, log, stateDirectory, trustedUid } = place;
  return {
    stateDirectory,
    trustedUid,
    timeoutMs,
    who: ownerPhrase(owner),
    now: () => host.now(),
    onWait: (sentence) => {
      log.write({ severity: 'notice', message: sentence, ...logOwner(owner) });
    },
  };
}
