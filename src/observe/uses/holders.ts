import { plural } from '../../count.ts';
import { advice, command, uniqueHints, type Hint } from '../../hint.ts';
import type { PciAddress } from '../../pci/address.ts';
import type { PciDevice } from '../../pci/device.ts';
import { sysfs } from '../../pci/sysfs.ts';
import { isUnitName, unitCommand, unitKey, unitOfKey } from '../../pci/unit.ts';
import type { DeviceUse } from '../../pci/use.ts';
import { describeHolders } from '../describe-holders.ts';
import type { Holder, Host } from '../../host/host.ts';
import { notAnswering } from '../not-answering.ts';
import { displayManager, endsWith, type DisplayManager } from '../display-manager.ts';
import { cardChoice } from './desktops.ts';
import { releaseHint } from './graphics.ts';
import { desktopHints } from './keep-off.ts';
import { letsGo } from './sound-servers.ts';
import { listed } from './words.ts';

/** A device node and the device that it belongs to. */
export interface DeviceNode {
  readonly device: PciAddress;
  readonly path: string;
  /** Its driver does not let go of the device while it is open, however long that is. */
  readonly waits?: true;
}

/** What of a device says which nodes it has. */
type Bound = Pick<PciDevice, 'address' | 'driver'>;

/** Nodes that all cards on the driver nvidia share. */
const NVIDIA_SHARED = ['nvidiactl', 'nvidia-uvm', 'nvidia-uvm-tools', 'nvidia-modeset'];

/**
 * The device nodes of these devices whose holders keep a driver from letting go, or lose what they work with:
 * graphics, frame buffers, sound, video. Who only holds a disk's node is found in another way. `directories` as for
 * `readUses`.
 * Throws VH_STUCK when the driver nvidia does not answer within the deadline.
 */
export async function deviceNodes(
  host: Host,
  devices: readonly Bound[],
  deadlineMs: number,
  directories?: ReadonlyMap<PciAddress, readonly string[]>,
): Promise<DeviceNode[]> {
  const nodes: DeviceNode[] = [];
  for (const device of devices) {
    const ofDriver = device.driver === 'nvidia' ? await nvidiaNodes(host, device, devices, deadlineMs) : [];
    const names = directories?.get(device.address) ?? host.list(sysfs.device(device.address)) ?? [];
    for (const name of [...subsystemNodes(host, device.address, names), ...ofDriver])
      nodes.push({
        device: device.address,
        path: sysfs.node(name),
        ...((device.driver === 'nvidia' || name.startsWith('snd/')) && { waits: true }),
      });
  }
  return nodes;
}

/** Nodes, and who has which of them open. */
export interface Openings {
  readonly host: Host;
  readonly nodes: readonly DeviceNode[];
  readonly holders: readonly Holder[];
}

/**
 * One use for each device that has a node open in some process: by those who stay, or, when there are none, by those
 * who let go by themselves.
 */
export function heldUses(openings: Openings): DeviceUse[] {
  return [...new Set(openings.nodes.map(({ device }) => device))].flatMap((device) => {
    const here = holdersOf(openings, device);
    const staying = here.filter((holder) => !letsGo(holder));
    if (staying.length > 0) return [heldUse({ ...openings, holders: staying }, device)];
    return here.length > 0 ? [yieldingUse(device, here)] : [];
  });
}

/** Who has nodes of a device open while a write to it waits, whatever they were expected to do. */
export function heldBy(openings: Openings, device: PciAddress): DeviceUse | undefined {
  const holders = holdersOf(openings, device);
  return holders.length > 0 ? heldUse({ ...openings, holders }, device) : undefined;
}

function holdersOf({ nodes, holders }: Openings, device: PciAddress): readonly Holder[] {
  const paths = nodes.filter((node) => node.device === device).map(({ path }) => path);
  return holders.filter(({ path }) => paths.includes(path));
}

/** Leave to take the device all the same is not offered where the kernel would wait for ever, or a session would end. */
function heldUse({ host, nodes, holders }: Openings, device: PciAddress): DeviceUse {
  const waits = nodes.some((node) => node.waits === true && holders.some(({ path }) => path === node.path));
  const desktop = desktopHints(host, device, holders);
  const manager = displayManager(host);
  const units = endingUnits(host, manager, holders);
  // What else runs in the session has the card from its desktop, and goes off it with that.
  const others = holders.filter(
    (holder) => cardChoice(holder) === undefined && (desktop.length === 0 || isOwnService(holder)),
  );
  return {
    device,
    reason: 'held',
    detail: openIn(holders),
    hints: uniqueHints([
      ...desktop,
      ...others.map(howToEnd),
      ...(units ? howToEndEachTime({ device, units, manager, isDesktop: desktop.length > 0 }) : []),
    ]),
    ...(units && { units }),
    ...((waits || desktop.length > 0) && { offered: false }),
  };
}

/** As {@link DeviceUse.units}. */
function endingUnits(
  host: Host,
  manager: DisplayManager | undefined,
  holders: readonly Holder[],
): DeviceUse['units'] {
  const units = holders.map((holder) => {
    const { unit, guest } = holder;
    if (!unit || guest !== undefined) return [];
    const own = isUnitName(unit.name) ? [unitKey(unit)] : [];
    return manager && endsWith(host, manager, holder) ? [...own, manager.key] : own;
  });
  if (units.some((each) => each.length === 0)) return undefined;
  const different = new Map(units.map((each) => [each.join(' or '), each]));
  return [...different.values()];
}

/** Whether a process is no part of a session: a guest, or a service of the system. */
function isOwnService({ guest, unit }: Holder): boolean {
  return guest !== undefined || (unit?.user === undefined && unit?.name.endsWith('.service') === true);
}

function yieldingUse(device: PciAddress, holders: readonly Holder[]): DeviceUse {
  const one = new Set(holders.map(({ pid }) => pid)).size === 1;
  const detail = `${openIn(holders)}, which ${one ? 'lets go by itself' : 'let go by themselves'} when the card goes`;
  return { device, reason: 'held', detail, hints: [], yields: true };
}

function openIn(holders: readonly Holder[]): string {
  const held = [...new Set(holders.map(({ path }) => path))].sort();
  return `${listed(held, '', 3)} ${plural(held.length, 'is', 'are')} open in ${describeHolders(holders)}`;
}

/** The names below /dev that the device's own directory tells. */
function subsystemNodes(host: Host, address: PciAddress, names: readonly string[]): string[] {
  const below = (path: string): readonly string[] => host.list(sysfs.attribute(address, path)) ?? [];
  return names.flatMap((subsystem) => {
    switch (subsystem) {
      case 'drm':
        return below(subsystem).map((name) => `dri/${name}`);
      case 'graphics':
      case 'video4linux':
        return below(subsystem);
      case 'sound':
        return below(subsystem)
          .filter((name) => /^card\d+$/.test(name))
          .flatMap((card) => below(`${subsystem}/${card}`))
          .filter((name) => /^(?:control|pcm|hw|midi|ump|compr)C\d/.test(name))
          .map((name) => `snd/${name}`);
      default:
        return [];
    }
  });
}

/**
 * A card's own node, by the minor number that the driver tells. The shared nodes are the card's only when no
 * other card that stays with the host is on the driver.
 */
async function nvidiaNodes(
  host: Host,
  { address }: Bound,
  devices: readonly Bound[],
  deadlineMs: number,
): Promise<string[]> {
  const minor = await nvidiaMinor(host, address, deadlineMs);
  const taken = new Set<string>(devices.map((device) => device.address));
  const others = (host.list(sysfs.driver('nvidia')) ?? []).some(
    (name) => /^[0-9a-f]{4,8}:/.test(name) && !taken.has(name),
  );
  return [...(minor === undefined ? [] : [`nvidia${minor}`]), ...(others ? [] : NVIDIA_SHARED)];
}

/**
 * The number of a card's own node, as the driver nvidia tells it (kernel-open/nvidia/nv-procfs.c); undefined when it
 * tells none. Throws VH_STUCK when it does not answer within the deadline.
 */
export async function nvidiaMinor(
  host: Host,
  address: PciAddress,
  deadlineMs: number,
): Promise<string | undefined> {
  const read = await host.readSlow(sysfs.nvidiaCard(address), NVIDIA_TEXT, deadlineMs);
  if (read.kind === 'stuck') throw notAnswering(read);
  return /^Device Minor:\s*(\d+)/m.exec(new TextDecoder().decode(read.bytes))?.[1];
}

/** Bytes: more than the driver says of one card. */
const NVIDIA_TEXT = 4096;

interface InTheWay {
  readonly device: PciAddress;
  readonly units: NonNullable<DeviceUse['units']>;
  readonly manager: DisplayManager | undefined;
  readonly isDesktop: boolean;
}

/** What is in the way of every start is for the configuration of the guest: daemons, and the desktop with all that is in it. */
function howToEndEachTime({ device, units, manager, isDesktop }: InTheWay): readonly Hint[] {
  const withManager = units.filter((each) => manager && each.includes(manager.key));
  const keys = units.filter((each) => !withManager.includes(each)).flatMap(([first]) => first ?? []);
  const names = [...new Set(keys)]
    .map(unitOfKey)
    .map(({ name, user }) => (user === undefined ? name : `{unit: ${name}, user: ${user}}`));
  const services = `services: {stop: [${names.join(', ')}]}`;
  if (withManager.length > 0)
    return [releaseHint(device, manager?.key, names.length > 0 ? ` and ${services}` : '')];
  if (isDesktop) return [];
  return [
    advice(`vfio-hook can do that for a guest, and undo it afterwards: ${services} in its configuration`),
  ];
}

/** A scope is a session or one program of a desktop, so there the process is what to end. */
function howToEnd({ pid, guest, unit }: Holder): Hint {
  if (guest !== undefined) return advice('shut that guest down first');
  if (!unit?.name.endsWith('.service')) return advice(`end that program: kill ${pid}`);
  return command(unitCommand('stop', unit));
}
