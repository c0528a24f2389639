import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../host.ts';

/** One line of a routing table (the main one; /proc shows no other). */
export interface Route {
  readonly interface: string;
  /** Bits, `1100…`, as many as the prefix is long: none for a default route. */
  readonly prefix: string;
  readonly version: 4 | 6;
  readonly metric: number;
}

/** An address as bits, most significant first: 32 or 128. */
export type AddressBits = string;

const REJECT = 0x0200;

/** Every route that leads somewhere. */
export function readRoutes(host: Host): Route[] {
  return [
    ...(host.read(sysfs.ipv4Routes) ?? '').split('\n').slice(1).flatMap(parseIpv4Route),
    ...(host.read(sysfs.ipv6Routes) ?? '').split('\n').flatMap(parseIpv6Route),
  ];
}

/** Names of the interfaces that a default route leads through, each once. */
export function defaultInterfaces(routes: readonly Route[]): string[] {
  return [...new Set(routes.filter(({ prefix }) => prefix === '').map((route) => route.interface))];
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

/** Bits of addresses that the kernel prints 32 bits at a time in the processor's order of bytes (little-endian). */
export function hostOrderBits(digits: string): AddressBits {
  const words = digits.match(/.{8}/g) ?? [];
  return bits(words.map((word) => (word.match(/../g) ?? []).reverse().join('')).join(''));
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
  const prefix = bits(destination).slice(0, parseInt(length ?? '', 16));
  return [{ interface: name, prefix, version: 6, metric: parseInt(metric ?? '', 16) }];
}

function bits(digits: string): AddressBits {
  return Array.from(digits, (digit) => parseInt(digit, 16).toString(2).padStart(4, '0')).join('');
}
