import type { Claim } from '../claim/claim.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import { describeHolders } from '../host/describe-holders.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Engine } from './engine.ts';
import type { LibvirtProcesses } from '../host/host.ts';
import { quoteName } from '../text.ts';
import { lockPrepare } from './lock.ts';
import { giveBackLocked } from './release.ts';

/** What `recover` did with one claim, or would do. */
export interface Recovery {
  readonly guest: Claim['guest'];
  readonly outcome: 'restored' | 'would-restore' | 'left' | 'incomplete';
  /** Why it was left, what is missing, or what was found otherwise: sentences. */
  readonly reasons: readonly string[];
}

/**
 * libvirt starts QEMU within seconds of the hook's end; a claim younger than this may be a guest on its way,
 * as long as there is a daemon that could start it.
 */
const STARTING_MS = 60_000;

/**
 * Gives back what guests hold that are gone: after a crash of libvirtd or of this program no release ever
 * comes. A claim is left when its guest has a group open, or may just be starting.
 */
export async function recover(engine: Engine, options: { readonly dryRun: boolean }): Promise<Recovery[]> {
  const done: Recovery[] = [];
  const stored = engine.store.all();
  if (!options.dryRun) {
    for (const uuid of stored.outdated) removeOutdated(engine, uuid);
  }
  const libvirt = stored.claims.length > 0 ? engine.host.libvirtProcesses() : noLibvirt;
  for (const claim of stored.claims) {
    const why = reasonToLeave(engine, claim, libvirt);
    if (why !== undefined) done.push({ guest: claim.guest, outcome: 'left', reasons: [why] });
    else if (options.dryRun) done.push({ guest: claim.guest, outcome: 'would-restore', reasons: [] });
    else done.push(await recoverOne(engine, claim));
  }
  return done;
}

const noLibvirt: LibvirtProcesses = { daemons: [], guests: [] };

/** Under the lock of a prepare, which may be about to put a claim of this boot in its place, or has just done so. */
function removeOutdated(engine: Engine, uuid: string): void {
  let lock;
  try {
    lock = lockPrepare(engine, { name: uuid, uuid }, 0);
  } catch (error) {
    if (error instanceof VfioHookError && error.code === 'VH_LOCK') return;
    throw error;
  }
  try {
    if (engine.store.all().outdated.includes(uuid)) engine.store.remove(uuid);
  } finally {
    lock.release();
  }
}

/** Why a claim's devices must stay where they are; undefined when its guest is gone. */
export function reasonToLeave(engine: Engine, claim: Claim, libvirt: LibvirtProcesses): string | undefined {
  const { host } = engine;
  for (const group of claim.groups) {
    if (host.tryOpen(sysfs.vfioGroup(group)) !== 'busy') continue;
    const holders = describeHolders(host.holders([sysfs.vfioGroup(group)]));
    return `the guest is running: IOMMU group ${group} is open in ${holders}`;
  }
  // A guest that is handed its devices late in its start, or has lost them, still runs.
  const qemu = libvirt.guests.find(({ guest, uuid }) =>
    uuid === undefined ? guest === claim.guest.name : uuid === claim.guest.uuid,
  );
  if (qemu) return `the guest is running: ${quoteName(qemu.name)} (pid ${qemu.pid})`;
  const working = claim.state === 'preparing' || claim.state === 'restoring';
  if (working && host.isAlive(claim.writer)) return `a run is at work on it (pid ${claim.writer.pid})`;
  const age = engine.clock().getTime() - Date.parse(claim.claimedAt);
  if (claim.state === 'held' && age >= 0 && age < STARTING_MS && libvirt.daemons.length > 0) {
    return `the guest may be starting: its devices were handed over ${Math.round(age / 1000)} s ago`;
  }
  return undefined;
}

async function recoverOne(engine: Engine, claim: Claim): Promise<Recovery> {
  const { guest } = claim;
  try {
    const result = await giveBackLocked(engine, claim, (current) =>
      reasonToLeave(engine, current, engine.host.libvirtProcesses()),
    );
    switch (result?.kind) {
      case undefined:
        return { guest, outcome: 'left', reasons: ['another run has given its devices back meanwhile'] };
      case 'left':
        return { guest, outcome: 'left', reasons: [result.reason] };
      case 'restored':
        return { guest, outcome: 'restored', reasons: result.notes };
      case 'in-use':
        return {
          guest,
          outcome: 'left',
          reasons: [`IOMMU group ${result.group} is open in ${result.holders}`],
        };
      case 'incomplete':
        return { guest, outcome: 'incomplete', reasons: result.leftovers };
    }
  } catch (error) {
    if (!(error instanceof VfioHookError) && errnoOf(error) === undefined) throw error;
    return { guest, outcome: 'incomplete', reasons: [(error as Error).message] };
  }
}
