import { claims as holds, type Claim } from '../claim/claim.ts';
import { defaultConfig, type Config } from '../config/config.ts';
import { ruleFor } from '../config/rules.ts';
import { VfioHookError } from '../errors.ts';
import { hostModules } from '../host/host-modules.ts';
import type { Holder } from '../host/host.ts';
import { readDevice } from '../host/read-device.ts';
import { readableHost } from '../host/readable.ts';
import { takeSnapshot } from '../host/take-snapshot.ts';
import { comparePciAddresses, type PciAddress } from '../pci/address.ts';
import type { IommuGroup, PciDevice } from '../pci/device.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import { sysfs } from '../pci/sysfs.ts';
import { isStub } from '../plan/driver.ts';
import { judgeGroup, type GroupReason, type GroupVerdict } from '../plan/group-verdict.ts';
import type { Verdict } from '../plan/verdict.ts';
import { blockedDevices, type BlockedDevice } from './blocked.ts';
import type { Engine } from './engine.ts';

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
  /** The guest that has claimed it. */
  readonly claim?: Claim;
  /** For a device that no driver of the host has: the driver that it came from, else the module of the host that fits best. */
  readonly hostDriver?: string;
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
  const configured = readConfig(engine);
  // One known from a claim and from its process is there twice.
  const blocked = blockedDevices(host, stored.claims).filter(
    ({ device }, index, all) => all.findIndex((other) => other.device === device) === index,
  );
  const snapshot = await takeSnapshot(host, groups, {
    deadlineMs: DEADLINE_MS,
    without: blocked.map(({ device }) => device),
  });
  const seen = new Map<PciAddress, PciDevice>(snapshot.devices.map((device) => [device.address, device]));
  for (const { device: address } of blocked) {
    // Without the attributes that would wait for the device's lock.
    const device = seen.has(address) ? undefined : readDevice(host, address, new Map());
    if (device?.iommuGroup !== undefined && groups.includes(device.iommuGroup)) seen.set(address, device);
  }
  const served = hostModules(host, snapshot.kernelRelease, [...seen.values()].filter(isAwayFromHost));
  const inspect = (group: IommuGroup): InspectedGroup => {
    const judged = judge(group, { snapshot, blocked, claims: stored.claims, config: configured.config });
    return {
      group,
      verdict: judged.verdict,
      holders: group.open ? host.holders(sysfs.vfioGroup(group.number)) : [],
      devices: [...group.members].sort(comparePciAddresses).flatMap((address) => {
        const device = seen.get(address);
        if (!device) return [];
        const verdict = judged.members.find((member) => member.device === address);
        const claim = stored.claims.find((each) => holds(each, address));
        const came = claim?.devices.find((claimed) => claimed.address === address)?.original.driver;
        const hostDriver = isAwayFromHost(device) ? (came ?? served.get(address)) : undefined;
        return {
          device,
          ...(verdict && { verdict }),
          ...(claim && { claim }),
          ...(hostDriver !== undefined && { hostDriver }),
        };
      }),
    };
  };
  return {
    groups: snapshot.groups.map(inspect),
    notes: [...(denied.size > 0 ? [deniedNote(denied)] : []), ...stored.notes, ...configured.notes],
  };
}

function isAwayFromHost({ driver, onVfio, headerType }: PciDevice): boolean {
  return headerType === 'endpoint' && (driver === undefined || onVfio || isStub(driver));
}

interface Facts {
  readonly snapshot: Snapshot;
  readonly blocked: readonly BlockedDevice[];
  readonly claims: readonly Claim[];
  readonly config: Config;
}

function judge(
  group: IommuGroup,
  { snapshot, blocked, claims, config }: Facts,
): { readonly verdict: GroupVerdict; readonly members: readonly Verdict[] } {
  const judged = judgeGroup({ group, snapshot, claims, wishesFor: (device) => ruleFor(config, device) });
  const reasons = blocked
    .filter(({ device }) => group.members.includes(device))
    .map(({ device, what, writer }): GroupReason => ({
      code: 'stuck',
      device,
      reason: `an earlier kernel write has not returned (${what}; process ${writer.pid} waits in the kernel)`,
      hints: ['end the program that uses the device, or restart the host; see: vfio-hook status'],
    }));
  if (reasons.length === 0) return judged;
  return { members: judged.members, verdict: { kind: 'refused', reasons } };
}

/** Claims that are unreadable to this user, or to everybody, are said and passed over: the listing is still worth having. */
function readClaims({ store }: Engine): {
  readonly claims: readonly Claim[];
  readonly notes: readonly string[];
} {
  try {
    const { claims, damaged } = store.all();
    return {
      claims,
      notes: damaged.map(
        ({ path, reason }) =>
          `claim ${path} cannot be trusted, so no guest would be given a device: ${reason}; see: vfio-hook status`,
      ),
    };
  } catch (error) {
    if (!(error instanceof VfioHookError)) throw error;
    return { claims: [], notes: [`which guest holds a device is not known: ${error.message}`] };
  }
}

/** The configuration of a guest that has no file of its own: no file is named like the empty name. */
function readConfig(engine: Engine): { readonly config: Config; readonly notes: readonly string[] } {
  try {
    return { config: engine.loadConfig({ name: '', uuid: '' }), notes: [] };
  } catch (error) {
    if (!(error instanceof VfioHookError)) throw error;
    return {
      config: defaultConfig,
      notes: [`${error.message}; no guest would start with it, and the groups are judged without it`],
    };
  }
}

function deniedNote(denied: ReadonlySet<string>): string {
  const paths = [...denied];
  const missing = [
    ...(paths.some((path) => path.includes('_resize')) ? ['the sizes that BARs can have'] : []),
    ...(paths.some((path) => path.startsWith('/dev/vfio/')) ? ['which groups are open'] : []),
  ];
  return `only root can see ${missing.join(' and ') || paths.join(', ')}`;
}
