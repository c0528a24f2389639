import { VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { graphicsCards } from '../observe/graphics.ts';
import { readMdev, readMdevParents } from '../observe/mdev.ts';
import { mdevHostdevs, pciHostdevs } from '../domain/domain.ts';
import type { GraphicsCard } from '../pci/graphics.ts';
import { isCalled, type MdevParent } from '../pci/mdev.ts';
import type { PciAddress } from '../pci/address.ts';
import type { Examination, Guest } from './examination.ts';
import { places } from './places.ts';
import { attributeOf, runningPrograms } from './seen.ts';

/** What the known issues of merged drivers are told by. */
export interface MergedFacts {
  /** Version of the driver nvidia; empty: it is not loaded. */
  readonly nvidia: string;
  /** Its parameters, as they are printed. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Whether nvidia-vgpu-mgr runs, by its process. */
  readonly managerRuns: boolean;
  /** `none`: this is no laptop. */
  readonly battery: 'none' | 'charging' | 'in use';
  readonly cards: readonly CardFacts[];
  readonly parents: readonly MdevParent[];
  readonly guests: readonly GuestFacts[];
}

/** A graphics card, with how awake it is. */
export interface CardFacts extends GraphicsCard {
  /** `D0`, `D3hot`, …; empty: the kernel does not say. */
  readonly powerState: string;
}

/** A guest, as far as the issues go. */
export interface GuestFacts {
  readonly name: string;
  readonly mdevs: readonly string[];
  /** Descriptions of the types of its mediated devices, as far as they are known. */
  readonly types: readonly string[];
  /** USB devices and controllers of the host that it has. */
  readonly usb: number;
  /** PCI devices that it is assigned. */
  readonly devices: readonly PciAddress[];
}

/** Looks at all of it. */
export function mergedFacts(on: Examination): MergedFacts {
  const { host } = on;
  const parents = readMdevParents(host);
  const names = host.list(places.moduleParameters('nvidia')) ?? [];
  let guests: readonly GuestFacts[] | undefined;
  return {
    nvidia: nvidiaVersion(host) ?? '',
    parameters: new Map(
      names.map((name) => [name, host.read(places.parameter('nvidia', name))?.trim() ?? '']),
    ),
    managerRuns: runningPrograms(host).has('nvidia-vgpu-mgr'),
    battery: batteryState(host),
    cards: graphicsCards(host).map((card) => ({
      ...card,
      powerState: attributeOf(host, card.address, 'power_state'),
    })),
    parents,
    // Only root may read them, and not every issue is about guests.
    get guests() {
      return (guests ??= on.guests().flatMap((guest) => guestFacts(on, guest, parents)));
    },
  };
}

function guestFacts(on: Examination, { name, xml }: Guest, parents: readonly MdevParent[]): GuestFacts[] {
  if (!xml) return [];
  const { domain, features } = xml;
  const mdevs = mdevHostdevs(domain).map(({ uuid }) => uuid);
  const devices = pciHostdevs(domain).map(({ address }) => address);
  const controllers = devices.filter((address) => attributeOf(on.host, address, 'class').startsWith('0c03'));
  const types = mdevs.flatMap((uuid) => typeOf(on, domain, uuid) ?? []);
  const described = parents.flatMap((parent) =>
    parent.types
      .filter((type) => types.some((each) => isCalled(type, each)))
      .map(({ description }) => description),
  );
  return [
    {
      name,
      mdevs,
      types: [...new Set(described)],
      usb: controllers.length + features.usbDevices,
      devices,
    },
  ];
}

/** The type of one that is there, else the one that the configuration says. */
function typeOf(
  { host, engine }: Examination,
  guest: { readonly name: string },
  uuid: string,
): string | undefined {
  const there = readMdev(host, uuid)?.type;
  if (there !== undefined) return there;
  try {
    return engine.loadConfig(guest).mdev.find((rule) => rule.uuid === uuid)?.type;
  } catch (error) {
    // Another check is about broken configurations.
    if (error instanceof VfioHookError) return undefined;
    throw error;
  }
}

function nvidiaVersion(host: Host): string | undefined {
  for (const path of places.nvidiaVersions) {
    const version = /\b(\d{3}\.\d+(?:\.\d+)?)\b/.exec(host.read(path) ?? '')?.[1];
    if (version !== undefined) return version;
  }
  return undefined;
}

/** Documentation/ABI/testing/sysfs-class-power. */
function batteryState(host: Host): MergedFacts['battery'] {
  const supplies = (host.list(places.powerSupplies) ?? []).map((name) => ({
    type: host.read(`${places.powerSupplies}/${name}/type`)?.trim(),
    scope: host.read(`${places.powerSupplies}/${name}/scope`)?.trim(),
    online: host.read(`${places.powerSupplies}/${name}/online`)?.trim(),
  }));
  // Those of a mouse or a headset say so.
  if (!supplies.some(({ type, scope }) => type === 'Battery' && scope !== 'Device')) return 'none';
  const mains = supplies.filter(({ type }) => type === 'Mains' || type === 'USB');
  return mains.some(({ online }) => online === '1') ? 'charging' : 'in use';
}
