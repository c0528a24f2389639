import { advice } from '../hint.ts';
import { holdsFor, toGiveBack, type Claim, type ClaimOwner } from '../claim/claim.ts';
import { claimKey, logOwner, ownerPhrase } from '../claim/owner.ts';
import { VfioHookError } from '../errors.ts';
import { waitForOrphans } from './blocked.ts';
import { refuseDamaged } from './claim-store.ts';
import { defaultConfig } from '../config/config.ts';
import type { Engine } from './engine.ts';
import { giveBack, type GiveBackResult } from './give-back.ts';
import { locksOf } from './holds.ts';
import { lockRun } from './lock.ts';
import { sharedOfClaim } from './unsafe-interrupts.ts';
import { isHeldByYounger } from './younger.ts';

/**
 * Gives back what a guest held, by what its claim says and nothing else: libvirt's XML at release is the live
 * one, with hot-plugged devices and without unplugged ones. A guest without a claim is none of our business.
 * Doing it twice does nothing the second time.
 * Throws VH_INCOMPLETE when something is not back; the claim says what, and `recover` retries. Throws VH_CLAIM
 * when the guest has no claim that can be read and there is one that cannot.
 */
export async function release(engine: Engine, guestName: string): Promise<void> {
  const stored = engine.store.all();
  const own = stored.claims.filter(({ owner }) => owner.kind === 'guest' && owner.name === guestName);
  // A claim that cannot be read may be this guest's: then something is not given back, and that must be said.
  if (own.length === 0) refuseDamaged(stored);
  const troubles: VfioHookError[] = [];
  for (const claim of own) {
    try {
      const started = engine.host.now();
      const result = await giveBackLocked(engine, claim.owner, (current) =>
        isHeldByYounger(engine.host, current) ? 'a younger start of the guest has taken them' : undefined,
      );
      if (result !== undefined) report(engine, claim, result, engine.host.now() - started);
    } catch (error) {
      if (!(error instanceof VfioHookError)) throw error;
      troubles.push(error);
    }
  }
  if (troubles[0]) throw troubles[0];
}

/** The claim is not any more what it was when it was decided to give its devices back. */
export interface LeftAlone {
  readonly kind: 'left';
  readonly reason: string;
}

/**
 * {@link giveBack} of an owner's claim under its lock, with the claim as it is then: the guest may have been started
 * again while this run waited. `reasonToLeave` says so. Of a manual claim that was on its way back in part, that part.
 * Undefined when there is none: another run has dealt with it meanwhile.
 */
export async function giveBackLocked(
  engine: Engine,
  owner: ClaimOwner,
  reasonToLeave: (current: Claim) => string | undefined,
): Promise<GiveBackResult | LeftAlone | undefined> {
  const locks = lockRun(engine, owner, defaultConfig.timeouts.lock);
  try {
    const [current] = engine.store.one(claimKey(owner)).claims;
    if (!current) return undefined;
    locks.shared([...sharedOfClaim(current), ...locksOf(current.holds)]);
    locks.groups(current.groups);
    const reason = reasonToLeave(current);
    if (reason !== undefined) return { kind: 'left', reason };
    const waitedMs = await waitForOrphans(engine, current);
    const devices = toGiveBack(current);
    const part = { devices, holds: holdsFor(current, devices) };
    return await giveBack(engine, current, locks, { part, waitedMs });
  } finally {
    locks.release();
  }
}

function report(engine: Engine, claim: Claim, result: GiveBackResult | LeftAlone, durationMs: number): void {
  const { owner } = claim;
  switch (result.kind) {
    case 'restored':
      for (const note of result.notes)
        engine.log.write({ severity: 'warning', message: note, ...logOwner(owner) });
      engine.log.write({
        severity: 'notice',
        message: 'devices given back',
        ...logOwner(owner),
        result: 'restored',
        durationMs,
      });
      return;
    case 'left':
      throw new VfioHookError(
        'VH_BUSY',
        `the devices of ${ownerPhrase(owner)} are not given back: ${result.reason}`,
        { hints: [advice('if the guest is not running: vfio-hook recover')] },
      );
    case 'in-use':
      throw new VfioHookError(
        'VH_BUSY',
        `the devices of ${ownerPhrase(owner)} are not given back: IOMMU group ${result.group} is open in ${result.holders}`,
        { hints: [advice('end that process, then: vfio-hook recover')] },
      );
    case 'incomplete':
      throw new VfioHookError(
        'VH_INCOMPLETE',
        `not everything of ${ownerPhrase(owner)} is given back: ${result.leftovers.join('; ')}`,
        { hints: [advice('retry with: vfio-hook recover')] },
      );
  }
}
