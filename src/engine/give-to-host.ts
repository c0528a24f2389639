import type { Claim, ClaimedDevice, ManualOwner } from '../claim/claim.ts';
import { claimKey, logOwner } from '../claim/owner.ts';
import type { Config } from '../config/config.ts';
import type { PciDevice } from '../pci/device.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import { originalOf } from '../plan/plan.ts';
import { subjectOf } from '../steps/step.ts';
import { planToHost } from '../plan/to-host.ts';
import { budgetOf } from './budget.ts';
import type { Engine } from './engine.ts';
import { execute, type Failure } from './execute.ts';
import { giveBack } from './give-back.ts';
import { describeLeft } from './hand-over.ts';
import type { RunLocks } from './lock.ts';

/** Devices that somebody else took from the host, as they are now; `owner` has them meanwhile, under `locks`. */
export interface Strangers {
  readonly owner: ManualOwner;
  readonly locks: RunLocks;
  readonly strangers: readonly PciDevice[];
  readonly snapshot: Snapshot;
  readonly timeouts: Config['timeouts'];
}

/**
 * Gives devices to the drivers of the host of which no claim says what they were before. While it lasts, a
 * claim says what they are now, and a device that no driver can be given is put back there. Returns what went
 * wrong, a sentence each.
 */
export async function giveToHost(
  engine: Engine,
  { owner, locks, strangers, snapshot, timeouts }: Strangers,
  driver: string | undefined,
): Promise<string[]> {
  const { host, store, log } = engine;
  if (strangers.length === 0) return [];
  const claim: Claim = {
    version: 3,
    bootId: engine.bootId,
    owner,
    state: 'preparing',
    claimedAt: engine.clock().toISOString(),
    writer: host.self(),
    kernelWriteTimeout: timeouts.kernelWrite,
    groups: [...new Set(strangers.flatMap(({ iommuGroup }) => iommuGroup ?? []))],
    devices: strangers.map((device) => claimedDevice(device, driver)),
    holds: [],
    stuck: [],
    leftovers: [],
  };
  store.write(claim, locks);
  const failures = await execute(planToHost(strangers, snapshot, driver), {
    host,
    log,
    ...logOwner(claim.owner),
    budget: budgetOf(host, timeouts),
    onFailure: 'next-device',
  });
  if (failures.length === 0) {
    store.remove(claimKey(claim.owner), locks);
    return [];
  }
  return [...failures.map(({ sentence }) => sentence), ...(await undo(engine, claim, locks, failures))];
}

function claimedDevice(device: PciDevice, driver: string | undefined): ClaimedDevice {
  return {
    address: device.address,
    group: device.iommuGroup ?? -1,
    vendor: device.vendor,
    device: device.device,
    ...(driver !== undefined && { driver }),
    original: originalOf(device),
  };
}

/** Puts the devices back that a step failed for; returns what is not even there. */
async function undo(
  engine: Engine,
  claim: Claim,
  locks: RunLocks,
  failures: readonly Failure[],
): Promise<string[]> {
  const failed = failures.map(({ step }) => subjectOf(step).device);
  const left = {
    ...claim,
    devices: claim.devices.filter(({ address }) => failed.includes(address)),
    stuck: failures.flatMap(({ stuck }) => stuck ?? []),
  };
  const result = await giveBack(engine, left, locks, { undoing: true });
  return result.kind === 'restored' ? [] : [describeLeft(result)];
}
