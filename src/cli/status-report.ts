import type { Claim, ClaimedDevice, StuckWrite } from '../claim/claim.ts';
import { claimKey } from '../claim/owner.ts';
import { stuckWrites } from '../engine/blocked.ts';
import type { DamagedClaim } from '../engine/claim-store.ts';
import type { Engine } from '../engine/engine.ts';
import { daemonsOf, reasonToLeave, type Daemons } from '../engine/recover.ts';
import type { Holder, Host, ProcessIdentity } from '../host/host.ts';
import { groupOf, isOnVfio, overrideText } from '../observe/read-device.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import { boundDriver } from '../observe/bound-driver.ts';

/** Who holds what at this moment. */
export interface StatusReport {
  readonly claims: readonly ClaimReport[];
  readonly damaged: readonly DamagedClaim[];
  /** Keys of claims of an earlier boot, which mean nothing any more. */
  readonly outdated: readonly string[];
  readonly unclaimed: readonly UnclaimedDevice[];
}

/** A claim, and what has become of it. */
export interface ClaimReport extends Omit<Claim, 'devices' | 'stuck'> {
  /** Milliseconds since the guest was prepared; absent when the clock was put back since. */
  readonly ageMs?: number;
  /** Processes that have one of its groups open: the guest runs. */
  readonly holders: readonly Holder[];
  /** Why `recover` would leave it alone; absent when it would give it back. */
  readonly left?: string;
  readonly devices: readonly (ClaimedDevice & { readonly now: string | null })[];
  readonly stuck: readonly StuckReport[];
}

/** A kernel write that did not return in time. */
export interface StuckReport extends StuckWrite {
  /** Whether it still has not returned. */
  readonly waiting: boolean;
  /** For how long; absent when it has returned, or nobody knows. */
  readonly waitingMs?: number;
  /** Processes that have the device open, which it may wait for. */
  readonly holders: readonly Holder[];
}

/** A device on a vfio driver that no claim names: bound at boot, by hand, or by libvirt itself. */
export interface UnclaimedDevice {
  readonly address: PciAddress;
  readonly group?: number;
  readonly driver: string;
  readonly driverOverride?: string;
  /** Processes that have its group open. */
  readonly holders: readonly Holder[];
}

/** How long the kernel may take to answer for a device that is only listed. */
const ANSWER_MS = 5000;
/** Clock ticks a second in /proc/PID/stat: USER_HZ, 100 wherever libvirt runs guests with host devices. */
const TICKS = 100;

/** Looks at the claims, at the processes that have devices open, and at every device on a vfio driver. */
export async function statusReport(engine: Engine): Promise<StatusReport> {
  const { claims, damaged, outdated } = engine.store.all();
  const daemons = daemonsOf(engine.host);
  return {
    claims: claims.map((claim) => claimReport(engine, claim, daemons)),
    damaged,
    outdated: outdated.map(claimKey),
    unclaimed: await unclaimedDevices(engine.host, claims),
  };
}

function claimReport(engine: Engine, claim: Claim, daemons: Daemons): ClaimReport {
  const { host } = engine;
  const ageMs = engine.clock().getTime() - Date.parse(claim.claimedAt);
  const left = reasonToLeave(engine, claim, daemons);
  return {
    ...claim,
    ...(ageMs >= 0 && { ageMs }),
    holders: claim.groups.flatMap((group) => holdersOf(host, group)),
    ...(left !== undefined && { left }),
    devices: claim.devices.map((device) => ({ ...device, now: boundDriver(host, device.address) ?? null })),
    stuck: stuckWrites(host, claim).map((write) => stuckReport(host, write)),
  };
}

function stuckReport(host: Host, write: StuckWrite): StuckReport {
  const waiting = host.isAlive(write.writer);
  const waitingMs = waiting ? runningFor(host, write.writer) : undefined;
  const holders = waiting ? host.holders(write.nodes ?? []) : [];
  return { ...write, waiting, ...(waitingMs !== undefined && { waitingMs }), holders };
}

function runningFor(host: Host, { startTime }: ProcessIdentity): number | undefined {
  const uptime = Number(host.read(sysfs.uptime)?.split(' ')[0] ?? NaN);
  const milliseconds = (uptime - startTime / TICKS) * 1000;
  return milliseconds >= 0 ? Math.round(milliseconds) : undefined;
}

function holdersOf(host: Host, group: number): readonly Holder[] {
  const node = sysfs.vfioGroup(group);
  return host.tryOpen(node) === 'busy' ? host.holders([node]) : [];
}

async function unclaimedDevices(host: Host, claims: readonly Claim[]): Promise<UnclaimedDevice[]> {
  const claimed = new Set(claims.flatMap(({ devices }) => devices.map(({ address }) => address)));
  const found = (host.list(sysfs.devices) ?? []).flatMap((name) => {
    const address = parsePciAddress(name);
    const driver = address && boundDriver(host, address);
    return address && driver !== undefined && isOnVfio(host, address, driver) && !claimed.has(address)
      ? [{ address, driver }]
      : [];
  });
  const overrides = found.map(({ address }) => sysfs.driverOverride(address));
  const read = await host.readLocked(overrides, ANSWER_MS);
  return found.map(({ address, driver }) => {
    const group = groupOf(host, address);
    const override =
      read.kind === 'read' ? overrideText(read.texts.get(sysfs.driverOverride(address))) : undefined;
    return {
      address,
      ...(group !== undefined && { group }),
      driver,
      ...(override !== undefined && { driverOverride: override }),
      holders: group === undefined ? [] : holdersOf(host, group),
    };
  });
}
