import type { Description, DeviceDescription } from './description-schema.ts';
import { hex } from './text.ts';
import { ipv6Bytes, isIpv4 } from './view-network.ts';

/** Files below a network interface's directory: a device's own interface, or a virtual one. */
export function interfaceFiles(net: {
  readonly up: boolean;
  readonly master?: string | undefined;
}): Record<string, string> {
  return {
    operstate: net.up ? 'up\n' : 'down\n',
    // IFF_UP is the lowest bit (net/core/net-sysfs.c:flags_show).
    flags: net.up ? '0x1003\n' : '0x1002\n',
    // An interface that is down does not know (net/core/net-sysfs.c:carrier_show).
    carrier: net.up ? '1\n' : '! EINVAL',
    ...(net.master !== undefined && {
      master: `-> /sys/class/net/${net.master}`,
      [`upper_${net.master}`]: `-> /sys/class/net/${net.master}`,
    }),
  };
}

/** What a device with a network interface shows below its directory. */
export function netEntries({ net, address }: DeviceDescription): Record<string, string> {
  if (!net) return {};
  const bytes = address.replace(/[^0-9a-f]/g, '').slice(-6);
  const files = {
    ...interfaceFiles(net),
    address: `52:54:00:${bytes.slice(0, 2)}:${bytes.slice(2, 4)}:${bytes.slice(4, 6)}\n`,
  };
  return Object.fromEntries(
    Object.entries(files).map(([name, content]) => [`${net.under}net/${net.name}/${name}`, content]),
  );
}

/** Virtual interfaces (bridges, bonds, VLANs) below /sys, and the host's routes below /proc. */
export function networkFiles(description: Description): Record<string, string> {
  const routed = [...description.devices.flatMap(({ net }) => net ?? []), ...description.interfaces];
  const files: Record<string, string> = {
    '/proc/net/route': [ROUTES, ...routed.flatMap(routes), ''].join('\n'),
    '/proc/net/ipv6_route': [...routed.flatMap(routes6), NO_ROUTE6, ''].join('\n'),
  };
  for (const each of description.interfaces) {
    const directory = `/sys/devices/virtual/net/${each.name}`;
    files[`/sys/class/net/${each.name}`] = `-> ${directory}`;
    for (const [name, content] of Object.entries(interfaceFiles(each)))
      files[`${directory}/${name}`] = content;
    for (const lower of each.over) files[`${directory}/lower_${lower}`] = `-> /sys/class/net/${lower}`;
    if (each.kind === 'bridge') files[`${directory}/bridge/stp_state`] = '0\n';
    if (each.kind === 'bond') files[`${directory}/bonding/mode`] = 'active-backup 1\n';
  }
  // The only entry that is no link (drivers/net/bonding/bond_sysfs.c).
  if (description.interfaces.some(({ kind }) => kind === 'bond'))
    files['/sys/class/net/bonding_masters'] = '\n';
  return files;
}

interface Routed {
  readonly name: string;
  readonly master?: string | undefined;
  readonly defaultRoute: boolean | 'ipv6' | 'both';
  readonly addresses: readonly string[];
  readonly routes: readonly { readonly to: string; readonly table?: number | undefined }[];
}

/** What ip(8) prints of routes to a quarter of all addresses or more, in each table; those of other tables say so. */
export function wideRoutes(description: Description): string {
  const routed: readonly Routed[] = [
    ...description.devices.flatMap(({ net }) => net ?? []),
    ...description.interfaces,
  ];
  const lines = routed.flatMap(({ name, master, defaultRoute, routes: further }) => [
    ...(defaultRoute === true || defaultRoute === 'both'
      ? [{ dst: 'default', gateway: '192.168.1.1', dev: master ?? name, metric: 100, flags: [] }]
      : []),
    ...further.map(({ to, table }) => ({
      dst: to === '0.0.0.0/0' ? 'default' : to,
      dev: master ?? name,
      ...(table !== undefined && { table: String(table) }),
      flags: [],
    })),
  ]);
  return `${JSON.stringify(lines)}\n`;
}

const ROUTES = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';

/** Lines of /proc/net/route: the default one, and one for the network of each address (net/ipv4/fib_trie.c:fib_route_seq_show). */
function routes({ name, master, defaultRoute, addresses, routes: further }: Routed): string[] {
  const line = (destination: string, gateway: string, flags: string, mask: string): string =>
    `${master ?? name}\t${destination}\t${gateway}\t${flags}\t0\t0\t100\t${mask}\t0\t0\t0`;
  return [
    ...(defaultRoute === true || defaultRoute === 'both'
      ? [line('00000000', '0101A8C0', '0003', '00000000')]
      : []),
    ...[...further.flatMap(({ to, table }) => (table === undefined ? to : [])), ...addresses].flatMap(
      (each) => {
        const [address = '', length = '32'] = each.split('/');
        if (!isIpv4(address)) return [];
        const bits = Array.from({ length: 4 }, (_, index) =>
          Math.max(0, Math.min(8, Number(length) - index * 8)),
        );
        const mask = bits.map((count) => (0xff << (8 - count)) & 0xff);
        const network = address.split('.').map((byte, index) => Number(byte) & (mask[index] ?? 0));
        const little = (bytes: readonly number[]): string =>
          [...bytes]
            .reverse()
            .map((byte) => hex(byte, 2))
            .join('')
            .toUpperCase();
        return [line(little(network), '00000000', '0001', little(mask))];
      },
    ),
  ];
}

const NOWHERE = '0'.repeat(32);
/** The route that answers "network is unreachable"; the kernel always has it. */
const NO_ROUTE6 = `${NOWHERE} 00 ${NOWHERE} 00 ${NOWHERE} ffffffff 00000001 00000000 00200200       lo`;

/** The same for /proc/net/ipv6_route (net/ipv6/ip6_fib.c:ipv6_route_native_seq_show). */
function routes6({ name, master, defaultRoute, addresses }: Routed): string[] {
  const line = (destination: string, length: number, gateway: string, flags: string): string =>
    `${destination} ${hex(length, 2)} ${NOWHERE} 00 ${gateway} 00000400 00000001 00000000 ${flags} ${(master ?? name).padStart(8)}`;
  return [
    ...(defaultRoute === 'ipv6' || defaultRoute === 'both'
      ? [line(NOWHERE, 0, 'fe800000000000000000000000000001', '00450003')]
      : []),
    ...addresses.flatMap((each) => {
      const [address = '', length = '128'] = each.split('/');
      if (isIpv4(address)) return [];
      const network = ipv6Bytes(address).map((byte, index) => {
        const bits = Math.max(0, Math.min(8, Number(length) - index * 8));
        return byte & (0xff << (8 - bits)) & 0xff;
      });
      return [line(network.map((byte) => hex(byte, 2)).join(''), Number(length), NOWHERE, '00000001')];
    }),
  ];
}
