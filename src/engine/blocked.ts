import { advice } from '../hint.ts';
import type { Claim, StuckWrite } from '../claim/claim.ts';
import type { HoldId } from '../claim/hold.ts';
import { VfioHookError } from '../errors.ts';
import type { BlockedWrite, Host, ProcessIdentity } from '../host/host.ts';
import { groupOf } from '../observe/read-device.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import { BACK_END, UNSAFE_INTERRUPTS } from '../pci/vfio-state.ts';
import { logOwner, ownerPhrase } from '../claim/owner.ts';
import type { Engine } from './engine.ts';
import { changes } from './hold-files.ts';
import { quoteName } from '../text.ts';

/** A device that a kernel write of an earlier run still waits for. */
export interface BlockedDevice {
  readonly device: PciAddress;
  readonly what: string;
  readonly writer: ProcessIdentity;
}

/**
 * Devices that must not be touched, since an earlier write for them has not returned: it will take effect
 * whenever the kernel lets it, on whatever driver the device has by then (drivers/base/bus.c:unbind_store
 * looks at the driver before it waits for the lock). Known from the claims, and from the processes themselves
 * where a run died before it could record its own. Each write once.
 */
export function blockedDevices(host: Host, claims: readonly Claim[]): BlockedDevice[] {
  const recorded = claims.flatMap((claim) =>
    claim.stuck.flatMap(({ device, step, writer }) =>
      device !== undefined && host.isAlive(writer)
        ? [{ device, what: `${step} for ${ownerPhrase(claim.owner)}`, writer }]
        : [],
    ),
  );
  // Looking at every process is for after a crash only.
  const crashed = claims.some((claim) => hasCrashed(host, claim));
  const found = crashed ? host.blockedWrites().flatMap(deviceOf) : [];
  const known = new Set(recorded.map(({ writer }) => writer.pid));
  return [...recorded, ...found.filter(({ writer }) => !known.has(writer.pid))];
}

function hasCrashed(host: Host, { state, writer }: Claim): boolean {
  return state !== 'held' && !host.isAlive(writer);
}

/** Writes to allow_unsafe_interrupts that have not returned, of whichever run. Looks at every process. */
function parameterWrites(host: Host): StuckWrite[] {
  return host
    .blockedWrites()
    .filter(({ path }) => path === UNSAFE_PATH)
    .map(({ path, value, writer }) => ({ step: `writing ${quoteName(value)} to ${path}`, path, writer }));
}

/**
 * Writes to what is held that have not returned: they would take effect behind the back of whoever writes after them.
 * Known as {@link blockedDevices} are. Each write once.
 */
export function holdWrites(host: Host, claims: readonly Claim[], ids: readonly HoldId[]): StuckWrite[] {
  const recorded = claims
    .flatMap(({ stuck }) => stuck)
    .filter((write) => ids.some((id) => changes(host, id, write)) && host.isAlive(write.writer));
  const crashed = ids.length > 0 && claims.some((claim) => hasCrashed(host, claim));
  const found = (crashed ? host.blockedWrites() : []).flatMap(({ path, value, writer }) => {
    const hold = ids.find((id) => changes(host, id, { path, value }));
    const step = path.startsWith('/') ? `writing ${quoteName(value)} to ${path}` : path;
    return hold ? [{ hold: { kind: hold.kind, key: hold.key }, step, path, writer }] : [];
  });
  const known = new Set(recorded.map(({ writer }) => writer.pid));
  return [...recorded, ...found.filter(({ writer }) => !known.has(writer.pid))];
}

/** Throws VH_STUCK while a write to one of these has not returned. */
export function refuseBlockedHolds(host: Host, claims: readonly Claim[], ids: readonly HoldId[]): void {
  const [waiting] = holdWrites(host, claims, ids);
  if (!waiting) return;
  throw new VfioHookError(
    'VH_STUCK',
    `${waiting.path} cannot be touched: an earlier kernel write has not returned (process ${waiting.writer.pid} waits in the kernel)`,
    { path: waiting.path, hints: [advice('see what it waits for: vfio-hook status; or restart the host')] },
  );
}

/** The parameter that lets guests start without interrupt remapping. */
export const UNSAFE_PATH = sysfs.moduleParameter(BACK_END, UNSAFE_INTERRUPTS);

/** A claim's own stuck writes, and those that a run left which died before it could record them. */
export function stuckWrites(host: Host, claim: Claim): StuckWrite[] {
  const known = new Set(claim.stuck.map(({ writer }) => writer.pid));
  const found = blockedDevices(host, [claim]).filter(
    ({ device, writer }) => !known.has(writer.pid) && claim.devices.some(({ address }) => address === device),
  );
  // One to a vGPU's file is about both, and the device keeps what is held of it.
  const ofHolds = holdWrites(host, [claim], claim.holds)
    .filter(({ writer }) => !known.has(writer.pid))
    .map((write) => {
      const device = found.find(({ writer }) => writer.pid === write.writer.pid)?.device;
      return device === undefined ? write : { ...write, device };
    });
  const twice = new Set(ofHolds.map(({ writer }) => writer.pid));
  return [
    ...claim.stuck,
    ...found
      .filter(({ writer }) => !twice.has(writer.pid))
      .map(({ device, what, writer }) => ({ device, step: what, path: what, writer })),
    ...ofHolds,
    ...(claim.unsafeInterrupts && hasCrashed(host, claim)
      ? parameterWrites(host).filter(({ writer }) => !known.has(writer.pid))
      : []),
  ];
}

/** Those of {@link stuckWrites} that still have not returned: their devices stay where they are until then. */
export function waitingWrites(host: Host, claim: Claim): StuckWrite[] {
  return stuckWrites(host, claim).filter(({ writer }) => host.isAlive(writer));
}

/**
 * Waits for the writes of a run that has died, at most so long: what a driver takes a second for ends by itself, and
 * its device can be given back at once. Of a write that a claim has recorded a whole deadline was waited already.
 * Returns the milliseconds that it took.
 */
export async function waitForOrphans(
  { host, log }: Pick<Engine, 'host' | 'log'>,
  claim: Claim,
): Promise<number> {
  const started = host.now();
  for (const { step, device, writer } of stuckWrites(host, claim)) {
    if (claim.stuck.some((known) => known.writer.pid === writer.pid) || !host.isAlive(writer)) continue;
    const message = `waiting for a write of a run that has died: ${step} (process ${writer.pid})`;
    log.write({ severity: 'notice', message, ...logOwner(claim.owner), ...(device && { device }) });
    await host.hasEnded(writer, Math.max(0, claim.kernelWriteTimeout - (host.now() - started)));
  }
  return host.now() - started;
}

/** Throws VH_STUCK when one of the groups has such a device. */
export function refuseBlocked(host: Host, claims: readonly Claim[], groups: readonly number[]): void {
  for (const { device, what, writer } of blockedDevices(host, claims)) {
    const group = groupOf(host, device);
    if (group === undefined || !groups.includes(group)) continue;
    throw new VfioHookError(
      'VH_STUCK',
      `${device} cannot be touched: an earlier kernel write has not returned (${what}; process ${writer.pid} waits in the kernel)`,
      {
        device,
        hints: [advice('end the program that uses the device, or restart the host; see: vfio-hook status')],
      },
    );
  }
}

/**
 * Throws VH_STUCK while a write to allow_unsafe_interrupts has not returned: it would take effect behind the back of
 * whoever writes after it.
 */
export function refuseBlockedParameter(host: Host): void {
  const [waiting] = parameterWrites(host);
  if (!waiting) return;
  throw new VfioHookError(
    'VH_STUCK',
    `${UNSAFE_PATH} cannot be touched: an earlier kernel write has not returned (process ${waiting.writer.pid} waits in the kernel)`,
    { path: UNSAFE_PATH, hints: [advice('restart the host; see: vfio-hook status')] },
  );
}

function deviceOf({ path, value, writer }: BlockedWrite): BlockedDevice[] {
  const parent = [sysfs.devices, sysfs.nvidiaCards].find((directory) => path.startsWith(`${directory}/`));
  const inPath = parent === undefined ? undefined : path.slice(parent.length + 1).split('/')[0];
  const device = parsePciAddress(inPath ?? value);
  return device ? [{ device, what: `writing ${quoteName(value)} to ${path}`, writer }] : [];
}
