import assert from 'node:assert/strict';
import { readRoutes, routedThrough } from '../../../src/observe/uses/routes.ts';
import { fakeHost } from '../../host/fake-host.ts';

/** As printed by Linux 6.12. */
const IPV4 = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eno1	00000000	0101A8C0	0003	0	0	100	00000000	0	0	0
wlan0	00000000	0101A8C0	0003	0	0	600	00000000	0	0	0
eno1	0001A8C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
wlan0	0001A8C0	00000000	0001	0	0	600	00FFFFFF	0	0	0
br0	0000010A	00000000	0001	0	0	0	0000FFFF	0	0	0
*	0000FEA9	00000000	0200	0	0	0	0000FFFF	0	0	0
`;
const IPV6 = `20010db8000700000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001    eno2
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000002 00000000 00000001    eno1
fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001    eno2
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000003 00000000 00450003    eno2
00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000005 00000000 80200001      lo
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200      lo
`;
const routes = readRoutes(fakeHost({ files: { '/proc/net/route': IPV4, '/proc/net/ipv6_route': IPV6 } }));

/** An address of IPv4 as bits. */
const ipv4 = (text: string): string =>
  text
    .split('.')
    .map((byte) => Number(byte).toString(2).padStart(8, '0'))
    .join('');
const ipv6 = (digits: string): string =>
  Array.from(digits, (digit) => parseInt(digit, 16).toString(2).padStart(4, '0')).join('');

describe('routedThrough', () => {
  const rows: readonly (readonly [name: string, address: string, interfaces: readonly string[]])[] = [
    ['the default route with the lowest metric', ipv4('198.51.100.7'), ['eno1']],
    ['the longest prefix before the default route', ipv4('10.1.255.255'), ['br0']],
    ['of two routes to one network that with the lowest metric', ipv4('192.168.1.20'), ['eno1']],
    ['no route that rejects', ipv4('169.254.1.1'), ['eno1']],
    ['a network of IPv6', ipv6('20010db8000700000000000000000020'), ['eno2']],
    ['the default route of IPv6', ipv6('20010db8000800000000000000000020'), ['eno2']],
    [
      'both interfaces where the table does not decide',
      ipv6('fe800000000000000000000000000020'),
      ['eno1', 'eno2'],
    ],
    ['the host itself', ipv6('00000000000000000000000000000001'), ['lo']],
  ];
  for (const [name, address, interfaces] of rows) {
    it(`takes ${name}`, () => {
      assert.deepEqual(routedThrough(routes, address), interfaces);
    });
  }

  it('has nothing where there is no route', () => {
    assert.deepEqual(routedThrough([], ipv4('10.1.2.3')), []);
  });
});
