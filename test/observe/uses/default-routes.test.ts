import assert from 'node:assert/strict';
import { defaultRoutes } from '../../../src/observe/uses/default-routes.ts';
import { readRoutes } from '../../../src/observe/uses/routes.ts';
import { fakeHost } from '../../host/fake-host.ts';

const HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n';
const main = (name: string, destination = '00000000', mask = '00000000'): string =>
  `${name}\t${destination}\t0101A8C0\t0003\t0\t0\t100\t${mask}\t0\t0\t0\n`;
const six = (name: string, destination: string, length: string, flags = '00450003'): string =>
  `${destination.padEnd(32, '0')} ${length} ${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00000400 00000001 00000000 ${flags} ${name.padStart(8)}\n`;
const told = (...routes: readonly object[]): string => `${JSON.stringify(routes)}\n`;
/** As Linux prints it: the two tables that every host has, and two with a default route and with a network. */
const TRIE = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 127.0.0.0
        /8 host LOCAL
Id 200:
  +-- 10.0.0.0/8 2 0 2
     |-- 10.0.0.0
        /8 link UNICAST
Id 100:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
`;

interface Tables {
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly trie?: string;
  readonly told?: string;
}

async function found({ ipv4 = '', ipv6 = '', trie = '', told: text }: Tables): Promise<unknown> {
  const host = fakeHost({
    files: { '/proc/net/route': HEAD + ipv4, '/proc/net/ipv6_route': ipv6, '/proc/net/fib_trie': trie },
    ...(text !== undefined && { wideRoutes: text }),
  });
  const routes = await defaultRoutes(host, readRoutes(host), 1000);
  return [routes.found.map((route) => `${route.interface}: ${route.words}`), routes.unknown];
}

describe('defaultRoutes', () => {
  const rows: readonly (readonly [
    name: string,
    tables: Tables,
    found: readonly string[],
    unknown?: readonly string[],
  ])[] = [
    ['none', { told: '[]\n' }, []],
    [
      'of two interfaces, each once',
      { ipv4: main('eno1') + main('wlan0') + main('eno1'), told: '[]\n' },
      ['eno1: the default route', 'wlan0: the default route'],
    ],
    [
      'in halves',
      { ipv4: main('eno1', '00000000', '00000080') + main('eno1', '00000080', '00000080'), told: '[]\n' },
      ['eno1: a part of the default route (0.0.0.0/1)'],
    ],
    [
      'in halves of IPv6',
      { ipv6: six('eno1', '8', '01') + six('eno2', '0', '01'), told: '[]\n' },
      ['eno1: a part of the default route (8000::/1)', 'eno2: a part of the default route (::/1)'],
    ],
    [
      'in halves of all public addresses of IPv6',
      { ipv6: six('eno1', '3', '04'), told: '[]\n' },
      ['eno1: a part of the default route (3000::/4)'],
    ],
    [
      'whole, beside halves of a tunnel',
      {
        ipv4: main('tun0', '00000000', '00000080') + main('tun0', '00000080', '00000080') + main('eno1'),
        told: '[]\n',
      },
      ['tun0: a part of the default route (0.0.0.0/1)', 'eno1: the default route'],
    ],
    ['no route that leads nowhere', { ipv6: six('lo', '0', '00', '00200200'), told: '[]\n' }, []],
    ['no network', { ipv4: main('eno1', '0000000A', '000000FF'), ipv6: six('eno1', 'fe8', '0a') }, []],
    [
      'in another table',
      { told: told({ dst: 'default', gateway: '10.0.0.1', dev: 'eno1', table: '100', flags: [] }) },
      ['eno1: the default route of table 100'],
    ],
    [
      'in the main table before another one',
      { ipv4: main('eno1'), told: told({ dst: 'default', dev: 'eno1', table: 'vpn' }) },
      ['eno1: the default route'],
    ],
    [
      'in halves in another table, in each array of a batch',
      {
        told:
          told({ dst: '0.0.0.0/1', dev: 'eno1', table: '51820' }) +
          told({ dst: '128.0.0.0/1', dev: 'eno1', table: '51820' }),
      },
      ['eno1: a part of the default route (0.0.0.0/1) of table 51820'],
    ],
    [
      'with several next hops, of which /proc shows the first',
      { ipv4: main('eno1'), told: told({ dst: 'default', nexthops: [{ dev: 'eno1' }, { dev: 'eno2' }] }) },
      ['eno1: the default route', 'eno2: the default route'],
    ],
    ['of another type', { told: told({ type: 'unreachable', dst: 'default', dev: 'lo', table: '9' }) }, []],
    [
      'in a table whose name wants to be a sentence',
      { told: told({ dst: 'default', dev: 'eno1', table: 'a b\n' }) },
      ['eno1: the default route of table "a b\\u{a}"'],
    ],
    [
      'in a table of which ip does not tell',
      { ipv4: main('eno1'), trie: TRIE },
      ['eno1: the default route'],
      ['100'],
    ],
    ['ip tells of it', { trie: TRIE, told: '[]\n' }, []],
    ['what is no JSON is not told', { trie: TRIE, told: 'default via 10.0.0.1 dev eno1\n' }, [], ['100']],
    ['what is no list is not told', { trie: TRIE, told: '{}\n' }, [], ['100']],
    ['what is in the list is looked at', { told: told([1], { dst: 7 }, { dst: 'x' }) }, []],
  ];
  for (const [name, tables, expected, unknown = []] of rows) {
    it(name, async () => {
      assert.deepEqual(await found(tables), [expected, unknown]);
    });
  }
});
