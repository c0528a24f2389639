import { advice, command } from '../../hint.ts';
import { errnoOf } from '../../errors.ts';
import type { PciAddress } from '../../pci/address.ts';
import type { PciDevice } from '../../pci/device.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { DeviceUse } from '../../pci/use.ts';
import { quoteName } from '../../text.ts';
import type { Holder, Host } from '../../host/host.ts';
import { functionsBelow, readInterfaces, type Interfaces } from './interfaces.ts';
import { formatAddress } from './address-bits.ts';
import { defaultRoutes, type DefaultRoutes } from './default-routes.ts';
import { readRoutes, routedThrough } from './routes.ts';
import { readConnections, type Connections } from './tcp.ts';
import { isPlain, plainOrQuoted } from './words.ts';

/** What the network says of some devices. Who holds the sockets is found out later, together with all other nodes. */
export interface NetworkFindings {
  readonly uses: readonly DeviceUse[];
  /** Established connections that lead through the devices: sessions of ssh may be among them. */
  readonly connections: readonly CarriedConnections[];
}

/** A function that an interface is on. */
interface Carrier {
  readonly device: PciAddress;
  /** In words: `eno1`, or `br0 over eno1`. */
  readonly through: string;
}

/** Connections with one machine, and a device that they lead through. */
export type CarriedConnections = Connections & Carrier;

/**
 * Default routes and ports of bridges among these devices, and the connections that lead through them. What an
 * interface is on (VLAN, bridge, bond, team, macvlan) is followed down to the function below it. Tunnels and PPP
 * are not: the kernel does not say what they are on.
 */
export async function networkFindings(
  host: Host,
  devices: readonly PciDevice[],
  deadlineMs: number,
): Promise<NetworkFindings> {
  const interfaces = readInterfaces(host, new Set(devices.map(({ address }) => address)));
  if (!interfaces) return { uses: [], connections: [] };
  const routes = readRoutes(host);
  const uses = [
    ...routeUses(interfaces, await defaultRoutes(host, routes, deadlineMs)),
    ...portUses(host, interfaces),
  ];
  const connections = readConnections(host).flatMap((each) =>
    routedThrough(routes, each.peer).flatMap((name) =>
      carriers(interfaces, name).map((carrier) => ({ ...each, ...carrier })),
    ),
  );
  return { uses, connections };
}

/** Whether a program is a server of ssh, by its short name: since OpenSSH 9.8 a session is sshd-session. */
export function isSshServer(name: string): boolean {
  return /^(?:sshd|dropbear)\b/.test(name);
}

/** Which of the connections are sessions of ssh, by who holds their sockets. */
export function sshUses(connections: readonly CarriedConnections[], holders: readonly Holder[]): DeviceUse[] {
  const servers = new Map<string, Holder>();
  for (const holder of holders)
    if (isSshServer(holder.name) && !servers.has(holder.path)) servers.set(holder.path, holder);
  return connections.flatMap(({ device, peer, sockets, through }) =>
    sockets.flatMap((socket): DeviceUse[] => {
      const server = servers.get(socket);
      if (!server) return [];
      const who = `${quoteName(server.name)}, pid ${server.pid}`;
      return [
        {
          device,
          reason: 'ssh',
          detail: `the ssh session with ${formatAddress(peer)} (${who}) leads through ${through}`,
          hints: [advice('log in through another interface, or at the machine itself')],
        },
      ];
    }),
  );
}

function routeUses(interfaces: Interfaces, { found, unknown }: DefaultRoutes): DeviceUse[] {
  const uses = found.flatMap(({ interface: name, words, shownBy }) =>
    carriers(interfaces, name).map(({ device, through }): DeviceUse => ({
      device,
      reason: 'default-route',
      detail: `${words} leads through ${through}`,
      hints: [advice(`give the host another default route first; see: ${shownBy}`)],
    })),
  );
  const [table] = unknown;
  if (table === undefined) return uses;
  const known = new Set(uses.map(({ device }) => device));
  return [
    ...uses,
    ...[...interfaces].flatMap(([name, { device }]): DeviceUse[] =>
      !device || known.has(device)
        ? []
        : [
            {
              device,
              reason: 'default-route',
              detail: `the default route of table ${table} may lead through ${plainOrQuoted(name)}: the program ip did not tell`,
              hints: [advice('install the package iproute2 (or iproute), and see: ip route show table all')],
            },
          ],
    ),
  ];
}

function portUses(host: Host, interfaces: Interfaces): DeviceUse[] {
  return [...interfaces.keys()].flatMap((name) => {
    const below = carriers(interfaces, name);
    const master = below.length > 0 ? linkName(host, `${sysfs.networkInterface(name)}/master`) : undefined;
    if (master === undefined || !hasCarrier(host, name)) return [];
    return below.map(({ device, through }): DeviceUse => ({
      device,
      reason: 'bridge-port',
      detail: `${through} is a port of ${kindOf(host, master)}${plainOrQuoted(master)} and has a carrier`,
      hints: [isPlain(name) ? command(`ip link set ${name} nomaster`) : advice('take it out of the bridge')],
    }));
  });
}

/** The functions that an interface is on, each with the words for how. */
function carriers(interfaces: Interfaces, name: string): Carrier[] {
  return [...functionsBelow(interfaces, name)].map(([device, physical]) => ({
    device,
    through:
      physical === name ? plainOrQuoted(name) : `${plainOrQuoted(name)} over ${plainOrQuoted(physical)}`,
  }));
}

/** EINVAL is what an interface answers that is down (net/core/net-sysfs.c:carrier_show). Any other failure counts as a carrier. */
function hasCarrier(host: Host, name: string): boolean {
  try {
    return host.read(`${sysfs.networkInterface(name)}/carrier`)?.trim() !== '0';
  } catch (error) {
    return errnoOf(error) !== 'EINVAL';
  }
}

function kindOf(host: Host, master: string): string {
  const names = host.list(sysfs.networkInterface(master)) ?? [];
  if (names.includes('bridge')) return 'bridge ';
  return names.includes('bonding') ? 'bond ' : '';
}

function linkName(host: Host, path: string): string | undefined {
  return host.readLink(path)?.split('/').pop();
}
