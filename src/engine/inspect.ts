import { advice } from '../hint.ts';
import { claims as holds, type Claim } from '../claim/claim.ts';
import { defaultConfig, type Config } from '../config/config.ts';
import { askedDrivers, ruleFor } from '../config/rules.ts';
import { VfioHookError } from '../errors.ts';
import { hostModules } from '../observe/host-modules.ts';
import type { Holder, Host } from '../host/host.ts';
import { readDevice } from '../observe/read-device.ts';
import { readableHost } from '../observe/readable.ts';
import { takeSnapshot } from '../observe/take-snapshot.ts';
import { comparePciAddresses, type PciAddress } from '../pci/address.ts';
import type { IommuGroup, PciDevice } from '../pci/device.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import { sysfs } from '../pci/sysfs.ts';
import { isStub } from '../pci/stub.ts';
import { judgeGroup, type GroupReason, type GroupVerdict, type JudgedGroup } from '../plan/group-verdict.ts';
import type { Verdict } from '../plan/verdict.ts';
import { blockedDevices, type BlockedDevice } from './blocked.ts';
import type { Engine } from './engine.ts';
import { namedVgpus, type NamedVgpu } from './vgpu-names.ts';

/** IOMMU groups as they are now, each with who has it and whether a guest could be given it. */
export interface Inspection {
  readonly groups: readonly InspectedGroup[];
  /** What could not be looked at, and what that means: sentences for a person. */
  readonly notes: readonly string[];
}

export interface InspectedGroup {
  readonly group: IommuGroup;
  /** In order of address. */
  readonly devices: readonly InspectedDevice[];
  readonly verdict: GroupVerdict;
  /** The processes that have the group open. */
  readonly holders: readonly Holder[];
}

export interface InspectedDevice {
  readonly device: PciDevice;
  /** What the hook would do with it if the whole group were given to a guest; absent when the device could not be judged. */
  readonly verdict?: Verdict;
  /** The claim on it; of a guest and a detach that of the guest. */
  readonly claim?: Claim;
  /** For a device that no driver of the host has: the driver that it came from, else the module of the host that fits best. */
  readonly hostDriver?: string;
  /** How many virtual functions config.yaml has it make for guests. */
  readonly promisedFunctions?: number;
  /** For a virtual function that stays on NVIDIA's driver: what lives on it. */
  readonly vgpu?: NamedVgpu;
}

/** Milliseconds that the kernel may take to answer for all devices together. */
const DEADLINE_MS = 5000;

/**
 * Looks at IOMMU groups by the hook's own means. Changes nothing. Works without root, as far as it goes: what is
 * not known then is in the notes. Throws VH_STUCK when the kernel does not answer for a device.
 */
export async function inspectGroups(engine: Engine, groups: readonly number[]): Promise<Inspection> {
  const { host, denied } = readableHost(engine.host);
  const stored = readClaims(engine);
  const { config, notes } = readConfig(engine);
  const facts: Facts = {
    host,
    config,
    denied,
    areClaimsKnown: !stored.denied,
    claims: stored.claims,
    blocked: blockedOnce(host, stored.claims),
  };
  const snapshot = await snapshotOf(facts, groups);
  const devices = [...snapshot.devices, ...unasked(facts, groups)];
  const served = hostModules(host, snapshot.kernelRelease, devices.filter(isAwayFromHost));
  const vgpus = await namedVgpus(host, devices, stored.claims, DEADLINE_MS);
  const inspected: InspectedGroup[] = [];
  for (const group of snapshot.groups) {
    const { verdict, members } = await judge(group, snapshot, facts);
    inspected.push({
      group,
      verdict,
      holders: group.open ? host.holders([sysfs.vfioGroup(group.number)]) : [],
      devices: devices
        .filter(({ address }) => group.members.includes(address))
        .sort((a, b) => comparePciAddresses(a.address, b.address))
        .map((device) => describe(device, { members, served, vgpus, claims: stored.claims, config })),
    });
  }
  return {
    groups: inspected,
    notes: [
      ...(denied.size > 0 || stored.denied ? [deniedNote(denied, stored.denied)] : []),
      ...stored.notes,
      ...notes,
    ],
  };
}

/** What all groups are judged by. */
interface Facts {
  readonly host: Host;
  /** What this user may not read. */
  readonly denied: ReadonlySet<string>;
  readonly areClaimsKnown: boolean;
  readonly config: Config;
  readonly claims: readonly Claim[];
  readonly blocked: readonly BlockedDevice[];
}

/** One that is known from a claim and from its process is there twice. */
function blockedOnce(host: Host, claims: readonly Claim[]): BlockedDevice[] {
  return blockedDevices(host, claims).filter(
    ({ device }, index, all) => all.findIndex((other) => other.device === device) === index,
  );
}

function snapshotOf({ host, blocked, config }: Facts, groups: readonly number[]): Promise<Snapshot> {
  return takeSnapshot(host, groups, {
    deadlineMs: DEADLINE_MS,
    without: blocked.map(({ device }) => device),
    drivers: askedDrivers(config),
  });
}

/** The devices that a snapshot leaves out, without the attributes that would wait for the device's lock. */
function unasked({ host, blocked }: Facts, groups: readonly number[]): PciDevice[] {
  return blocked.flatMap(({ device: address }) => {
    const device = readDevice(host, address, new Map());
    return device?.iommuGroup !== undefined && groups.includes(device.iommuGroup) ? [device] : [];
  });
}

/**
 * Judges a group by the snapshot of all. One that is refused is judged again by a snapshot of its own, as the
 * hook takes it: what the host would lose with all of them, its last keyboard, it may keep without one.
 */
async function judge(group: IommuGroup, snapshot: Snapshot, facts: Facts): Promise<JudgedGroup> {
  const judged = judgeBy(group, snapshot, facts);
  if (judged.verdict.kind === 'possible' && mayBeHeld(group, snapshot, facts))
    return { ...judged, verdict: { kind: 'unknown', reasons: [] } };
  if (judged.verdict.kind !== 'refused' || snapshot.groups.length === 1) return judged;
  const alone = await snapshotOf(facts, [group.number]);
  return judgeBy(alone.groups[0] ?? group, alone, facts);
}

/** A guest has only what is on a vfio driver; that one has it, claims and the group's node tell, or nobody. */
function mayBeHeld(group: IommuGroup, { devices }: Snapshot, { denied, areClaimsKnown }: Facts): boolean {
  return (
    (!areClaimsKnown || denied.has(sysfs.vfioGroup(group.number))) &&
    devices.some(({ address, onVfio }) => onVfio && group.members.includes(address))
  );
}

function judgeBy(group: IommuGroup, snapshot: Snapshot, { config, claims, blocked }: Facts): JudgedGroup {
  const judged = judgeGroup({
    group,
    snapshot,
    claims,
    wishesFor: (device) => ruleFor(config, device),
    allowUnsafeInterrupts: config.allowUnsafeInterrupts,
  });
  const reasons = blocked
    .filter(({ device }) => group.members.includes(device))
    .map(({ device, what, writer }): GroupReason => ({
      code: 'stuck',
      device,
      reason: `an earlier kernel write has not returned (${what}; process ${writer.pid} waits in the kernel)`,
      hints: [advice('end the program that uses the device, or restart the host; see: vfio-hook status')],
    }));
  return reasons.length === 0 ? judged : { members: judged.members, verdict: { kind: 'refused', reasons } };
}

function describe(
  device: PciDevice,
  facts: {
    readonly members: readonly Verdict[];
    readonly served: ReadonlyMap<PciAddress, string>;
    readonly vgpus: ReadonlyMap<PciAddress, NamedVgpu>;
    readonly claims: readonly Claim[];
    readonly config: Config;
  },
): InspectedDevice {
  const { address } = device;
  const verdict = facts.members.find((member) => member.device === address);
  const holders = facts.claims.filter((each) => holds(each, address));
  // A guest may have what a person has detached for it: the detach knows where the device came from.
  const detached = holders.find(({ owner }) => owner.kind === 'manual');
  const claim = holders.find((each) => each !== detached) ?? detached;
  const came = (detached ?? claim)?.devices.find((claimed) => claimed.address === address)?.original.driver;
  const rule = facts.config.sriov.find(({ pf }) => pf === address)?.vfs;
  const promised = rule === 'all' ? device.sriov?.totalVfs : rule;
  const vgpu = facts.vgpus.get(address);
  const hostDriver = isAwayFromHost(device) ? (came ?? facts.served.get(address)) : undefined;
  return {
    device,
    ...(verdict && { verdict }),
    ...(claim && { claim }),
    ...(hostDriver !== undefined && { hostDriver }),
    ...(promised !== undefined && { promisedFunctions: promised }),
    ...(vgpu && { vgpu }),
  };
}

function isAwayFromHost({ driver, onVfio, headerType }: PciDevice): boolean {
  return headerType === 'endpoint' && (driver === undefined || onVfio || isStub(driver));
}

/** Claims that are unreadable to this user, or to everybody, are said and passed over: the listing is still worth having. */
export function readClaims({ store }: Engine): {
  readonly claims: readonly Claim[];
  /** Whether only root may read them. */
  readonly denied: boolean;
  readonly notes: readonly string[];
} {
  try {
    const { claims, damaged } = store.all();
    return {
      claims,
      denied: false,
      notes: damaged.map(
        ({ path, reason }) =>
          `claim ${path} cannot be trusted, so no guest would be given a device: ${reason}; see: vfio-hook status`,
      ),
    };
  } catch (error) {
    if (!(error instanceof VfioHookError)) throw error;
    const denied = error.errno === 'EACCES';
    const note = `which guest holds a device is not known: ${error.message}`;
    return { claims: [], denied, notes: denied ? [] : [note] };
  }
}

/** The configuration of all guests. */
function readConfig(engine: Engine): { readonly config: Config; readonly notes: readonly string[] } {
  try {
    return { config: engine.loadConfig(), notes: [] };
  } catch (error) {
    if (!(error instanceof VfioHookError)) throw error;
    return {
      config: defaultConfig,
      notes: [`${error.message}; no guest would start with it, and the groups are judged without it`],
    };
  }
}

/** What a listing without root does not know, in a sentence. */
export function deniedNote(denied: ReadonlySet<string>, areClaimsDenied: boolean): string {
  const paths = [...denied];
  const isResize = (path: string): boolean => path.includes('_resize');
  const isVfio = (path: string): boolean => path.startsWith('/dev/vfio/');
  const missing = [
    ...(paths.some(isResize) ? ['the sizes that BARs can have'] : []),
    ...(paths.some(isVfio) ? ['which groups are open'] : []),
    ...(areClaimsDenied ? ['which guests hold devices'] : []),
    ...(paths.some((path) => !isResize(path) && !isVfio(path)) ? ['all that the host uses devices for'] : []),
  ].join(', ');
  return `only root (sudo) can see ${missing}; a group may be less free than it looks`;
}
