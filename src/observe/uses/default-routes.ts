import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../../host/host.ts';
import { formatAddress, ipv4Prefix } from './address-bits.ts';
import type { Route } from './routes.ts';
import { plainOrQuoted } from './words.ts';

/** An interface that a default route, or a part of one, leads through. */
export interface DefaultRoute {
  readonly interface: string;
  /** Which route, in words: `the default route`, `the default route of table 100`. */
  readonly words: string;
  /** The command that shows it. */
  readonly shownBy: string;
}

/** Where the default routes lead. */
export interface DefaultRoutes {
  /** Each interface once. */
  readonly found: readonly DefaultRoute[];
  /** Tables with a default route of which nobody told where it leads. */
  readonly unknown: readonly string[];
}

/** A default route or a part of one. */
export interface WideRoute extends Pick<Route, 'interface' | 'prefix' | 'version'> {
  /** The table that it is in, where that is known to be another one than the main. */
  readonly table?: string;
}

/**
 * Longest prefixes of parts that the default route is written in, so that the true one need not be touched: halves by
 * every VPN, quarters by some; for IPv6 also the halves of 2000::/3, where all public addresses are.
 */
const WIDEST = { 4: 2, 6: 4 } as const;

/**
 * The default routes of all tables, whole and in parts; `told` is whether that is all of them. /proc/net/route has the
 * main table alone, and of several next hops the first (net/ipv4/fib_trie.c:fib_route_seq_show): the others are for
 * ip(8) to tell. /proc/net/ipv6_route has every table (net/ipv6/ip6_fib.c:ipv6_route_seq_next).
 */
export async function readWideRoutes(
  host: Host,
  routes: readonly Route[],
  deadlineMs: number,
): Promise<{ readonly wide: readonly WideRoute[]; readonly told: boolean }> {
  const text = await host.wideRoutes(deadlineMs);
  const told = text === undefined ? undefined : parseWideRoutes(text);
  const all: readonly WideRoute[] = [...routes, ...(told ?? [])];
  return {
    wide: all.filter(({ prefix, version }) => prefix.length <= WIDEST[version]),
    told: told !== undefined,
  };
}

/** Where the default routes lead, each interface once: a whole one says more than a part, and the main table more than others. */
export async function defaultRoutes(
  host: Host,
  routes: readonly Route[],
  deadlineMs: number,
): Promise<DefaultRoutes> {
  const { wide, told } = await readWideRoutes(host, routes, deadlineMs);
  const rank = ({ prefix, table }: WideRoute): number => 2 * prefix.length + (table === undefined ? 0 : 1);
  const found = new Map<string, WideRoute>();
  for (const route of wide) {
    const known = found.get(route.interface);
    if (!known || rank(route) < rank(known)) found.set(route.interface, route);
  }
  return {
    found: [...found].map(([name, route]) => ({
      interface: name,
      words: wordsOf(route),
      shownBy: rank(route) === 0 ? 'ip route show default' : 'ip route show table all',
    })),
    unknown: told ? [] : tablesWithDefaultRoute(host.read(sysfs.fibTrie) ?? ''),
  };
}

function wordsOf({ prefix, version, table }: WideRoute): string {
  const network = `${formatAddress(prefix.padEnd(version === 4 ? 32 : 128, '0'))}/${prefix.length}`;
  const route = prefix === '' ? 'the default route' : `a part of the default route (${network})`;
  return table === undefined ? route : `${route} of table ${plainOrQuoted(table)}`;
}

/** One JSON array a line, as ip(8) prints them in a batch; undefined when they are no such thing. */
function parseWideRoutes(text: string): WideRoute[] | undefined {
  try {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    return lines.flatMap((line) => {
      const routes: unknown = JSON.parse(line);
      if (!Array.isArray(routes)) throw new SyntaxError('no list');
      return routes.flatMap(parseRoute);
    });
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Only routes to somewhere have an interface and no type; several next hops have one each. */
function parseRoute(route: unknown): WideRoute[] {
  if (!isObject(route)) return [];
  const { dst, dev, nexthops, type, table } = route;
  const prefix = dst === 'default' ? '' : typeof dst === 'string' ? ipv4Prefix(dst) : undefined;
  if (prefix === undefined || (type !== undefined && type !== 'unicast')) return [];
  const hops: unknown[] = Array.isArray(nexthops) ? nexthops : [];
  const names = [dev, ...hops.map((hop) => (isObject(hop) ? hop['dev'] : undefined))];
  return names.flatMap((name) =>
    typeof name === 'string'
      ? [{ interface: name, prefix, version: 4, ...(typeof table === 'string' && { table }) }]
      : [],
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/**
 * The tables besides the main and the local one that have a default route, whole or in parts, by /proc/net/fib_trie:
 * a line `Id 100:` for each table, and below it for each network its address and lines such as `/0 universe UNICAST`.
 */
function tablesWithDefaultRoute(trie: string): string[] {
  const tables = trie.split(/^(?=\S)/m);
  return tables.flatMap((table) => {
    const number = /^Id (\d+):/.exec(table)?.[1];
    const isWide = [...table.matchAll(/^\s+\/(\d+) \S+ UNICAST\b/gm)].some(
      ([, length]) => Number(length) <= WIDEST[4],
    );
    return number !== undefined && isWide ? [number] : [];
  });
}
