import type { PciAddress } from '../../src/pci/address.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import { bestVfioAlias, parseVfioAliases } from '../../src/pci/modalias.ts';
import { isOn, NVIDIA, NVIDIA_DRM } from '../../src/pci/nvidia.ts';
import type { PciNames } from '../../src/pci/names.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import type { Host } from '../../src/host/host.ts';
import { kernelRelease } from '../../src/observe/kernel-release.ts';
import { isLoaded } from '../../src/observe/loaded-modules.ts';
import { lockedAttributes, readDevice } from '../../src/observe/read-device.ts';
import { readTopology } from '../../src/observe/read-topology.ts';
import { kernelVersions, type KernelVersion, type VfSetting } from '../spec.ts';
import type { WrittenDescription, WrittenDevice } from '../description-schema.ts';
import { installedLibvirt } from '../../src/observe/take-snapshot.ts';
import { readVfioState } from '../../src/observe/vfio-state.ts';
import { nvidiaMinor } from '../../src/observe/uses/holders.ts';
import { withOpenings } from '../../src/observe/uses/openings.ts';
import { describeDevice, describeSriov, sizeText } from './device.ts';
import { disksOf } from './disks.ts';
import { describeProfile, describeRefuses } from './functions.ts';
import { describeMemory } from './memory.ts';
import { describeNetwork, type DescribedNetwork } from './networks.ts';
import { publicCommandLine, publicRelease, publicWord } from './privacy.ts';
import { bridgesFirst, classEntries } from './topology.ts';
import { keyboardsOf, type DescribedKeyboards } from './keyboards.ts';

/** A description, and what could not be found out. */
export interface DescribedMachine {
  readonly description: WrittenDescription;
  /** Sentences. */
  readonly gaps: readonly string[];
}

/** How long the kernel may take to answer for all devices together. */
const ANSWER_MS = 10_000;
const GIB = 2 ** 30;
/** The room for large BARs that a description without a word about it has. */
const USUAL_WINDOW = 512 * GIB;

/**
 * This machine in the form of examples/hosts, so that `plan` and `simulate` can be run for it elsewhere: every
 * PCI device, with what the host uses it for. Nothing is changed.
 *
 * - No serial number, MAC address, UUID, label, host name or name of a user is in it: simulator/describe/privacy.ts.
 * - Virtual functions are not listed: their physical function says how many there are.
 *
 * Throws VH_STUCK when the driver nvidia or a disk does not answer, VH_KERNEL when something cannot be read.
 */
export async function describeMachine(host: Host, names: PciNames): Promise<DescribedMachine> {
  const placed = bridgesFirst(readTopology(host));
  const gaps: string[] = [];
  const locked = await lockedTexts(
    host,
    placed.map(({ address }) => address),
    gaps,
  );
  const devices = new Map<PciAddress, PciDevice>();
  for (const { address } of placed) {
    const device = readDevice(host, address, locked);
    if (device) devices.set(address, device);
  }
  const release = kernelRelease(host);
  const libvirt = installedLibvirt(host);
  const described = placed.flatMap((place) => {
    const device = devices.get(place.address);
    if (!device || device.physicalFunction) return [];
    const above = place.parent === undefined ? undefined : devices.get(place.parent);
    const name = names.device(device.vendor, device.device);
    return [[device, describeDevice(device, { place, above, name })] as const];
  });
  const all = [...devices.values()];
  const window = windowFor(all);
  const keyboards = keyboardsOf(host);
  const network = await describeNetwork(host, ANSWER_MS);
  const memory = describeMemory(host);
  const minors = await nvidiaMinors(host, all);
  const refuses = new Map<PciAddress, readonly VfSetting[]>();
  for (const device of all) refuses.set(device.address, await describeRefuses(host, device));
  const whole = { all, keyboards, network, minors, refuses };
  const withUsesOfHost = await withOpenings(host, ANSWER_MS, (open) =>
    withUses(host, described, { ...whole, disksOfDevice: disksOf(host, open) }),
  );
  return {
    gaps,
    description: {
      name: `Linux ${publicRelease(release)}`,
      kernel: nearestKernel(release),
      commandLine: publicCommandLine(host.read(sysfs.commandLine) ?? ''),
      ...((host.list(sysfs.groups) ?? []).length === 0 && { iommu: false }),
      ...(readVfioState(host).interrupts === 'not-remapped' && { interruptRemapping: false }),
      ...(window !== undefined && { window }),
      console: consoleOf(host),
      ...(memory && { memory }),
      loaded: loadedModules(host, all),
      ...nvidiaOf(host),
      variants: variantsOf(host, release, all),
      ...(libvirt !== undefined && { libvirt }),
      ...(keyboards.board.length > 0 && { keyboards: [...keyboards.board] }),
      ...(network.virtual.length > 0 && { interfaces: [...network.virtual] }),
      devices: withGroups(withUsesOfHost),
    },
  };
}

/** NVIDIA's driver, where all of it is loaded. */
function nvidiaOf(host: Host): Pick<WrittenDescription, 'nvidia'> {
  const version = host.read(sysfs.moduleFile(NVIDIA, 'version'))?.trim() ?? '';
  if (!isLoaded(host, NVIDIA_DRM) || !/^[\d.]{1,32}$/.test(version)) return {};
  const modeset = isOn(host.read(sysfs.moduleParameter(NVIDIA_DRM, 'modeset')));
  return { nvidia: { version, modeset } };
}

/** Overrides and numbers of virtual functions. While a driver is stuck with a device they do not answer. */
async function lockedTexts(
  host: Host,
  addresses: readonly PciAddress[],
  gaps: string[],
): Promise<ReadonlyMap<string, string>> {
  const read = await host.readLocked(lockedAttributes(addresses, host.list(sysfs.nvidiaCards)), ANSWER_MS);
  if (read.kind === 'read') return read.texts;
  gaps.push(
    'a driver is stuck with a device: driver overrides and numbers of virtual functions are left out',
  );
  return new Map();
}

/** As {@link nvidiaMinor}, of every card that has that driver. */
async function nvidiaMinors(
  host: Host,
  devices: readonly PciDevice[],
): Promise<ReadonlyMap<PciAddress, string>> {
  const minors = new Map<PciAddress, string>();
  for (const { address, driver } of devices) {
    const minor = driver === 'nvidia' ? await nvidiaMinor(host, address, ANSWER_MS) : undefined;
    if (minor !== undefined) minors.set(address, minor);
  }
  return minors;
}

/** Modules of VFIO, and of the drivers of virtual functions, which are not written down themselves. */
function loadedModules(host: Host, devices: readonly PciDevice[]): string[] {
  const drivers = devices.flatMap(({ physicalFunction, driverModule }) =>
    physicalFunction && driverModule !== undefined ? (publicWord(driverModule) ?? []) : [],
  );
  const loaded = host.list(sysfs.modules) ?? [];
  return [...new Set([...loaded.filter((name) => /^(?:vfio\w*|irqbypass)$/.test(name)), ...drivers])];
}

/** The newest kernel that the simulator knows and that is not newer than this one; else the oldest. */
export function nearestKernel(release: string): KernelVersion {
  const [major = 0, minor = 0] = release.split('.').map((part) => parseInt(part, 10));
  const older = kernelVersions.filter((version) => {
    const [knownMajor = 0, knownMinor = 0] = version.split('.').map(Number);
    return knownMajor < major || (knownMajor === major && knownMinor <= minor);
  });
  return older.at(-1) ?? kernelVersions[0];
}

/** Room for the BARs that there are and for larger ones; undefined when the usual room is enough. */
function windowFor(devices: readonly PciDevice[]): WrittenDescription['window'] {
  const total = devices.flatMap(({ bars }) => bars).reduce((sum, { size }) => sum + size, 0);
  if (total * 2 <= USUAL_WINDOW) return undefined;
  const room = 2 ** Math.ceil(Math.log2(total * 2));
  return { start: sizeText(room), size: sizeText(room) };
}

function consoleOf(host: Host): string {
  const paths = (host.list(sysfs.class('vtconsole')) ?? []).map(
    (name) => `${sysfs.class('vtconsole')}/${name}`,
  );
  const nameOf = (path: string): string => host.read(`${path}/name`) ?? '';
  const names = paths.map(nameOf);
  const bound = paths.filter((path) => host.read(`${path}/bind`)?.trim() === '1').map(nameOf);
  if (bound.some((name) => name.includes('VGA+'))) return 'vga';
  if (!bound.some((name) => name.includes('frame buffer'))) return 'none';
  const firmware = (host.list(sysfs.platformDevices) ?? []).find((name) =>
    /^(?:simple|efi|vesa)-framebuffer\.\d+$/.test(name),
  );
  const hasSystem = names.some((name) => name.startsWith('(S)'));
  return firmware ?? (hasSystem ? 'native-uefi' : 'native');
}

/** The vfio drivers made for devices that are here, by their ids. */
function variantsOf(
  host: Host,
  release: string,
  devices: readonly PciDevice[],
): { driver: string; id: string }[] {
  const aliases = parseVfioAliases(host.read(sysfs.modulesAlias(release)) ?? '');
  const best = new Set(devices.map(({ modalias }) => bestVfioAlias(modalias, aliases)));
  return aliases.flatMap((alias) => {
    const ids = /^v0000([0-9A-F]{4})d0000([0-9A-F]{4})s/i.exec(alias.pattern);
    if (!best.has(alias) || !ids || !/^\w+_vfio_pci$/.test(alias.module)) return [];
    return [{ driver: alias.module, id: `${ids[1] ?? ''}:${ids[2] ?? ''}`.toLowerCase() }];
  });
}

/** What is found out for all devices together. */
interface Whole {
  readonly all: readonly PciDevice[];
  readonly keyboards: DescribedKeyboards;
  readonly network: DescribedNetwork;
  /** Number of the own node of each card that the driver nvidia has. */
  readonly minors: ReadonlyMap<PciAddress, string>;
  /** What is not set for virtual functions of network cards. */
  readonly refuses: ReadonlyMap<PciAddress, readonly VfSetting[]>;
  readonly disksOfDevice: ReturnType<typeof disksOf>;
}

/** Adds what each device is for the host, and its virtual functions. */
function withUses(
  host: Host,
  described: readonly (readonly [PciDevice, WrittenDevice])[],
  { all, keyboards, network, minors, refuses, disksOfDevice }: Whole,
): WrittenDevice[] {
  const cards = classEntries(host, 'drm').filter(({ name }) => /^(?:card|renderD)\d+$/.test(name));
  // What the firmware has left is below a card, and no driver of it has made it.
  const ofFirmware = (name: string): boolean =>
    host.readLink(`${sysfs.class('graphics')}/${name}`)?.includes('-framebuffer.') === true;
  const frames = classEntries(host, 'graphics').filter(
    ({ name }) => /^fb\d+$/.test(name) && !ofFirmware(name),
  );
  const videos = classEntries(host, 'video4linux').filter(({ name }) => /^video\d+$/.test(name));
  const sounds = classEntries(host, 'sound').filter(({ name }) => /^card\d+$/.test(name));
  return described.map(([device, written]) => {
    const { address } = device;
    const [disk, ...disks] = isBridge(device) ? [] : disksOfDevice(address);
    const net = network.of.get(address);
    const drm = cards.filter((each) => each.device === address).map((each) => each.name);
    const sound = sounds.find((each) => each.device === address)?.name;
    const frame = frames.find((each) => each.device === address)?.name;
    const video = videos.filter((each) => each.device === address).map((each) => each.name);
    const first = all.find(({ physicalFunction }) => physicalFunction === address);
    const sriov = describeSriov(host, device, first);
    const profile = sriov && describeProfile(host, device);
    const unset = refuses.get(address) ?? [];
    const keys = keyboards.behind(address);
    const minor = minors.get(address);
    return {
      ...written,
      ...(disk && { disk }),
      ...(disks.length > 0 && { disks }),
      ...(net && { net }),
      ...(drm.length > 0 && { drm }),
      ...(frame !== undefined && { framebuffer: frame }),
      ...(sound !== undefined && { sound }),
      ...(video.length > 0 && { video }),
      ...(sriov && {
        sriov: { ...sriov, ...(profile && { profile }), ...(unset.length > 0 && { refuses: [...unset] }) },
      }),
      ...(keys.length > 0 && { keyboards: keys }),
      ...(minor !== undefined && { nodes: [`/dev/nvidia${minor}`] }),
    };
  });
}

/** A description has a group for every device, or for none: what has none of its own gets one that nothing else is in. */
function withGroups(devices: readonly WrittenDevice[]): WrittenDevice[] {
  let next = Math.max(-1, ...devices.map(({ group }) => group ?? -1));
  if (next === -1) return [...devices];
  return devices.map((device) => (device.group === undefined ? { ...device, group: (next += 1) } : device));
}

/** Everything behind a bridge would be counted to it. */
function isBridge({ headerType }: PciDevice): boolean {
  return headerType !== 'endpoint';
}
