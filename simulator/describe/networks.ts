import type { PciAddress } from '../../src/pci/address.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import type { Host } from '../../src/host/host.ts';
import type { WrittenDescription, WrittenDevice } from '../description-schema.ts';
import { readWideRoutes } from '../../src/observe/uses/default-routes.ts';
import { lastFunction } from '../../src/observe/uses/interfaces.ts';
import { readRoutes } from '../../src/observe/uses/routes.ts';
import { publicInterface, publicMaster } from './privacy.ts';

type Net = NonNullable<WrittenDevice['net']>;
type Virtual = NonNullable<WrittenDescription['interfaces']>[number];

/** The network of a machine as descriptions know it. */
export interface DescribedNetwork {
  /** The interface of each device: of several the one with the default route, else one that is up. */
  readonly of: ReadonlyMap<PciAddress, Net>;
  /** Bridges, bonds, VLANs and the like on interfaces of devices. */
  readonly virtual: readonly Virtual[];
}

interface Found {
  readonly raw: string;
  readonly path: string;
  readonly device: PciAddress | undefined;
  readonly entries: readonly string[];
}

/**
 * Which interfaces there are, what they are on, and where the default routes lead, those of other tables and those in
 * parts written down as whole ones. No address is read.
 */
export async function describeNetwork(host: Host, deadlineMs: number): Promise<DescribedNetwork> {
  const found = (host.list(sysfs.networkInterfaces) ?? []).flatMap((raw): Found[] => {
    const path = host.readLink(sysfs.networkInterface(raw));
    const entries = host.list(sysfs.networkInterface(raw));
    return path === undefined || !entries ? [] : [{ raw, path, device: lastFunction(path), entries }];
  });
  const names = new Map(
    found.map(({ raw, device }, index) => [raw, (device ? publicInterface : publicMaster)(raw, index)]),
  );
  const { wide: routes } = await readWideRoutes(host, readRoutes(host), deadlineMs);
  const common = ({ raw }: Found): Omit<Net, 'under'> => {
    const versions = new Set(routes.filter((route) => route.interface === raw).map(({ version }) => version));
    const master = names.get(
      host
        .readLink(`${sysfs.networkInterface(raw)}/master`)
        ?.split('/')
        .pop() ?? '',
    );
    return {
      name: names.get(raw) ?? raw,
      ...(host.read(`${sysfs.networkInterface(raw)}/operstate`)?.trim() === 'up' && { up: true }),
      ...(versions.size > 0 && {
        defaultRoute: versions.size > 1 ? 'both' : versions.has(4) ? true : 'ipv6',
      }),
      ...(master !== undefined && { master }),
    };
  };
  const nets = new Map<PciAddress, Net>();
  for (const each of found) {
    if (!each.device) continue;
    const under = underOf(each);
    const net: Net = { ...common(each), ...(under !== '' && { under }) };
    const known = nets.get(each.device);
    if (!known || rank(net) > rank(known)) nets.set(each.device, net);
  }
  const described = new Set([...nets.values()].map(({ name }) => name));
  const virtual = found.flatMap((each): Virtual[] => {
    const over = each.entries
      .filter((entry) => entry.startsWith('lower_'))
      .flatMap((entry) => names.get(entry.slice('lower_'.length)) ?? []);
    if (each.device || !isAbove(each, found)) return [];
    return [
      {
        ...common(each),
        kind: kindOf(host, each),
        over: over.filter((name) => described.has(name) || !isDevice(name)),
      },
    ];
  });
  function isDevice(name: string): boolean {
    return found.some(({ raw, device }) => device !== undefined && names.get(raw) === name);
  }
  return { of: nets, virtual };
}

/** Whether an interface is on one of a device, at whatever depth. */
function isAbove(each: Found, all: readonly Found[], seen = new Set<string>()): boolean {
  if (seen.has(each.raw)) return false;
  seen.add(each.raw);
  return all.some(
    (lower) =>
      each.entries.includes(`lower_${lower.raw}`) &&
      (lower.device !== undefined || isAbove(lower, all, seen)),
  );
}

function kindOf(host: Host, { raw, entries }: Found): Virtual['kind'] {
  if (entries.includes('bridge')) return 'bridge';
  if (entries.includes('bonding')) return 'bond';
  const type = /^DEVTYPE=(.*)$/m.exec(host.read(`${sysfs.networkInterface(raw)}/uevent`) ?? '')?.[1];
  return type === 'vlan' || type === 'macvlan' ? type : 'team';
}

/** The directories of a virtio or USB interface between its function and `net`. */
function underOf({ path, device }: Found): string {
  const between = path.split(`/${device ?? ''}/`)[1]?.split('net/')[0] ?? '';
  return /^(?:(?:virtio\d+|usb\d+|\d+-[\d.]+(?::\d+\.\d+)?)\/)*$/.test(between) ? between : '';
}

function rank({ defaultRoute, up, master }: Net): number {
  const routed = defaultRoute !== undefined && defaultRoute !== false;
  return (routed ? 4 : 0) + (master === undefined ? 0 : 2) + (up === true ? 1 : 0);
}
