import type { Claim } from '../claim/claim.ts';
import { PROGRAM_DIRECTORIES } from '../distribution.ts';
import type { Host } from '../host/host.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import { isLoaded } from '../observe/loaded-modules.ts';
import { hexAttribute } from '../observe/hex-attribute.ts';
import { groupOf } from '../observe/read-device.ts';
import { groupMembers } from '../observe/read-members.ts';
import { hasUnitFile, isSystemdRunning } from '../observe/units.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { isOn, NVIDIA, NVIDIA_DRM, NVIDIA_VENDOR, nvidiaModules } from '../pci/nvidia.ts';
import { sysfs } from '../pci/sysfs.ts';
import { nvidiaUnits } from '../resource/nvidia/units.ts';
import type { NvidiaHost } from '../resource/nvidia/wishes.ts';

/** Where nvidia-smi may be. */
const SMI = PROGRAM_DIRECTORIES.map((directory) => `${directory}/nvidia-smi`);

/**
 * What there is of NVIDIA's driver, where one of these devices is a card that is on it, or was before an unfinished start
 * that `own` is left of. Undefined, and next to nothing is read, where none is. A virtual function on the driver is no such card: it stays there.
 */
export function nvidiaHost(
  host: Host,
  assigned: readonly PciAddress[],
  own: () => Claim | undefined,
): NvidiaHost | undefined {
  const cards = assigned.filter((address) => isCard(host, address) && isOfNvidia(host, address));
  if (cards.length === 0) return undefined;
  const claim = own();
  const earlier = (claim?.devices ?? []).flatMap(({ address, original }) =>
    original.driver === NVIDIA ? [address] : [],
  );
  const taken = cards.filter((address) => boundDriver(host, address) === NVIDIA || earlier.includes(address));
  if (taken.length === 0) return undefined;
  const moved = new Set(taken.flatMap((address) => membersWith(host, address)));
  const held = (claim?.holds ?? []).flatMap(({ kind, key }) => (kind === 'module' ? [key] : []));
  return {
    taken,
    staying: cardsOn(host).filter((address) => !moved.has(address)),
    units: isSystemdRunning(host) ? Object.keys(nvidiaUnits).filter((name) => hasUnitFile(host, name)) : [],
    hasSmi: SMI.some((path) => host.status(path) !== undefined),
    modules: nvidiaModules.filter((module) => held.includes(module) || isLoaded(host, module)),
    modeset: held.includes(NVIDIA_DRM) || isOn(host.read(sysfs.moduleParameter(NVIDIA_DRM, 'modeset'))),
  };
}

/** The devices that go along with one. */
function membersWith(host: Host, address: PciAddress): readonly PciAddress[] {
  const group = groupOf(host, address);
  return group === undefined ? [address] : [address, ...groupMembers(host, group).addresses];
}

/** Whole cards on the driver now. */
function cardsOn(host: Host): readonly PciAddress[] {
  return (host.list(sysfs.driver(NVIDIA)) ?? [])
    .flatMap((name) => parsePciAddress(name) ?? [])
    .filter((address) => isCard(host, address));
}

function isCard(host: Host, address: PciAddress): boolean {
  return host.readLink(sysfs.attribute(address, 'physfn')) === undefined;
}

function isOfNvidia(host: Host, address: PciAddress): boolean {
  return hexAttribute(host, address, 'vendor') === NVIDIA_VENDOR;
}
