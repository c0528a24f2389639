import { advice } from '../hint.ts';
import { holdsFor, type Claim } from '../claim/claim.ts';
import { claimKey, logOwner } from '../claim/owner.ts';
import { VfioHookError } from '../errors.ts';
import { manualOwner } from './detach.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import { isOnVfio } from '../observe/read-device.ts';
import type { PciAddress } from '../pci/address.ts';
import { isStub } from '../pci/stub.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Engine } from './engine.ts';
import { forgetGivenBack, noteGivenBack } from './given-back.ts';
import { timeoutsForWayBack } from './timeouts.ts';
import { giveBack } from './give-back.ts';
import { giveToHost } from './give-to-host.ts';
import { describeLeft } from './hand-over.ts';
import { locksOf } from './holds.ts';
import { lockRun } from './lock.ts';
import {
  claimsOfReattach,
  groupsOfReattach,
  planReattach,
  type Reattachment,
  type ReattachRequest,
} from './plan-reattach.ts';

/**
 * Gives devices back to the host: those of a detach as they were before, those that somebody else took away
 * to the drivers of the host. Unless `skipRefused`, nothing is done when one is refused. Doing it twice does
 * nothing the second time. Throws VH_INCOMPLETE when something is not back.
 */
export async function reattach(engine: Engine, request: ReattachRequest): Promise<Reattachment> {
  for (;;) {
    const done = await reattachOnce(engine, request);
    // Somebody has detached one of the devices in this very moment: now it is known whose claim it is.
    if (done) return done;
  }
}

/** Undefined, and nothing is done, when a detach holds one of the devices whose claim was not there to be locked. */
async function reattachOnce(engine: Engine, request: ReattachRequest): Promise<Reattachment | undefined> {
  const { host, log } = engine;
  const started = host.now();
  const { claims } = engine.store.all();
  const owner = manualOwner();
  const held = claimsOfReattach(request, claims);
  const others = held.map((claim) => claim.owner);
  const holds = held.flatMap((claim) => claim.holds);
  const groups = groupsOfReattach(engine, request, claims);
  const locks = lockRun(engine, owner, timeoutsForWayBack(engine).timeouts.lock, others);
  try {
    locks.shared(locksOf(holds));
    locks.groups(groups);
    const reattachment = await planReattach(engine, request);
    const { detached, strangers, refused } = reattachment;
    const isLocked = ({ owner: other, holds: its }: Claim): boolean =>
      locks.holds({ claim: claimKey(other) }) && locksOf(its).every((shared) => locks.holds({ shared }));
    if (detached.some(({ claim }) => !isLocked(claim))) return undefined;
    if (refused.length > 0 && !request.skipRefused) return reattachment;
    const left: string[] = [];
    for (const { claim, devices } of detached) {
      const result = await giveBack(engine, claim, locks, {
        part: { devices, holds: holdsFor(claim, devices) },
      });
      if (result.kind === 'restored') noteAway(engine, devices);
      else left.push(describeLeft(result));
    }
    left.push(...(await giveToHost(engine, { ...reattachment, owner, locks }, request.driver)));
    if (left.length === 0) noteAway(engine, strangers);
    if (left.length > 0) {
      throw new VfioHookError('VH_INCOMPLETE', `not everything is given back: ${left.join('; ')}`, {
        hints: [advice('see: vfio-hook status; retry with: vfio-hook recover, then: vfio-hook reattach')],
      });
    }
    log.write({
      severity: 'notice',
      message: detached.length + strangers.length === 0 ? 'no device to give back' : 'devices given back',
      ...logOwner(owner),
      result: 'restored',
      durationMs: host.now() - started,
    });
    return reattachment;
  } finally {
    locks.release();
  }
}

/** What of these is away from the host now was so before, or no driver of the host takes it: there is no more to do for it. */
function noteAway(engine: Engine, devices: readonly { readonly address: PciAddress }[]): void {
  for (const { address } of devices) {
    // A virtual function that went with its number is nowhere.
    if (engine.host.list(sysfs.device(address)) === undefined) continue;
    const driver = boundDriver(engine.host, address);
    if (driver === undefined || isOnVfio(engine.host, address, driver) || isStub(driver))
      noteGivenBack(engine, address, driver);
    else forgetGivenBack(engine, address);
  }
}
