import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../../host/host.ts';
import { bitsOf, hostOrderBits, type AddressBits } from './address-bits.ts';

/** One line of a routing table: of the main one for IPv4, of any for IPv6, as /proc shows them. */
export interface Route {
  readonly interface: string;
  /** Bits, `1100…`, as many as the prefix is long: none for a default route. */
  readonly prefix: string;
  readonly version: 4 | 6;
  readonly metric: number;
}

const REJECT = 0x0200;

/** Every route that leads somewhere. */
export function readRoutes(host: Host): Route[] {
  return [
    ...(host.read(sysfs.ipv4Routes) ?? '').split('\n').slice(1).flatMap(parseIpv4Route),
    ...(host.read(sysfs.ipv6Routes) ?? '').split('\n').flatMap(parseIpv6Route),
  ];
}

/**
 * The interfaces through which packets to an address leave: of the routes with the longest fitting prefix those
 * with the lowest metric. More than one where the table alone does not decide.
 */
export function routedThrough(routes: readonly Route[], address: AddressBits): string[] {
  const version = address.length === 32 ? 4 : 6;
  const fitting = routes.filter((route) => route.version === version && address.startsWith(route.prefix));
  const longest = Math.max(...fitting.map(({ prefix }) => prefix.length));
  const best = fitting.filter(({ prefix }) => prefix.length === longest);
  const lowest = Math.min(...best.map(({ metric }) => metric));
  return [...new Set(best.filter(({ metric }) => metric === lowest).map((route) => route.interface))];
}

/** net/ipv4/fib_trie.c:fib_route_seq_show. */
function parseIpv4Route(line: string): Route[] {
  const [name, destination, , flags, , , metric, mask] = line.split(/\s+/);
  if (name === undefined || destination === undefined || mask === undefined) return [];
  if ((parseInt(flags ?? '', 16) & REJECT) !== 0 || name === '*') return [];
  const length = hostOrderBits(mask).replace(/0+$/, '').length;
  const prefix = hostOrderBits(destination).slice(0, length);
  return [{ interface: name, prefix, version: 4, metric: Number(metric) }];
}

/** net/ipv6/ip6_fib.c:ipv6_route_native_seq_show; destinations are in network order there. */
function parseIpv6Route(line: string): Route[] {
  const [destination, length, , , , metric, , , flags, name] = line.trim().split(/\s+/);
  if (name === undefined || destination === undefined) return [];
  if ((parseInt(flags ?? '', 16) & REJECT) !== 0) return [];
  const prefix = bitsOf(destination).slice(0, parseInt(length ?? '', 16));
  return [{ interface: name, prefix, version: 6, metric: parseInt(metric ?? '', 16) }];
}
