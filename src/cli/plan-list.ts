import type { Engine } from '../engine/engine.ts';
import { knownGuests, readKnownGuest } from '../engine/guests.ts';
import { decideStart, type Planned } from '../engine/plan-start.ts';
import { errnoOf, VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { refusals } from '../plan/plan.ts';
import { holdWords } from '../resource/hold-input.ts';

/** A guest that has host devices, and whether it could start now. */
export interface GuestOutlook {
  readonly name: string;
  /** Addresses in the order of its XML. */
  readonly devices: readonly string[];
  /** `running`: it has its devices. */
  readonly outlook: 'ready' | 'running' | 'refused' | 'unreadable';
  /** Why not; absent for `ready` and `running`. */
  readonly reason?: string;
}

/**
 * The guests of libvirt that are assigned host PCI devices, each with what a start would meet. `guests` is the machine
 * whose libvirt is looked at. Throws an errno error when its files may not be read.
 */
export async function listOutlooks(engine: Engine, guests: Host): Promise<readonly GuestOutlook[]> {
  const all: GuestOutlook[] = [];
  for (const known of knownGuests(guests)) {
    let devices: readonly string[] = [];
    try {
      const read = readKnownGuest(known, guests);
      devices = (read?.domain.hostdevs ?? []).map((each) =>
        each.kind === 'mdev' ? each.uuid : each.address,
      );
      if (!read || devices.length === 0) continue;
      const planned = await decideStart(engine, read.domain);
      // Mediated devices of which nobody knows anything are libvirt's matter.
      if (!planned) continue;
      const [refusal] = reasonsAgainst(planned);
      const { isRunning } = planned;
      const outlook = isRunning ? 'running' : refusal ? 'refused' : 'ready';
      const reason = refusal && !isRunning ? { reason: refusal } : {};
      all.push({ name: known.name, devices, outlook, ...reason });
    } catch (error) {
      const errno = errnoOf(error);
      if (!(error instanceof VfioHookError) && errno === undefined) throw error;
      // One that cannot start, or cannot be read, keeps no other from being listed.
      if (error instanceof VfioHookError && error.errno === 'EACCES') throw error;
      const outlook = devices.length > 0 ? 'refused' : 'unreadable';
      all.push({
        name: known.name,
        devices,
        outlook,
        reason: error instanceof VfioHookError ? error.message : String(errno),
      });
    }
  }
  return all;
}

/** Why a start is refused, a sentence each. */
function reasonsAgainst({ plan, holds }: Planned): string[] {
  return [
    ...holds.refusals.map((refusal) => `${holdWords(refusal)}: ${refusal.reason}`),
    ...refusals(plan).map(({ device, reason }) => `${device}: ${reason}`),
  ];
}

/** A guest a line, with a word first. */
export function outlookLines(outlooks: readonly GuestOutlook[]): string[] {
  if (outlooks.length === 0) return ['libvirt knows no guest with host PCI devices'];
  const width = Math.max(...outlooks.map(({ outlook }) => outlook.length));
  return outlooks.map(({ name, devices, outlook, reason }) => {
    const about = [
      ...(devices.length === 0 ? [] : [devices.join(', ')]),
      ...(reason === undefined ? [] : [reason]),
    ];
    return `${outlook.padEnd(width)}  ${name}: ${about.join('; ')}`;
  });
}
