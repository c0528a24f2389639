import assert from 'node:assert/strict';
import { hintText } from '../../../src/hint.ts';
import { errnoError } from '../../../simulator/errno.ts';
import type { Host } from '../../../src/host/host.ts';
import { networkFindings, sshUses } from '../../../src/observe/uses/network.ts';
import { device } from '../../plan/snapshots.ts';
import { fakeHost } from '../../host/fake-host.ts';

const nic = device('05:00.0', { class: '020000', driver: 'igb' });
const ROUTES = 'Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n';
const DEFAULT = '\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n';

/** A machine with one interface on the card; `master` and what its carrier reads. */
function machine(facts: { name?: string; master?: string; carrier?: string | Error; routes?: string }): Host {
  const { name = 'eno1', master, carrier, routes = '' } = facts;
  const host = fakeHost({
    links: {
      [`/sys/class/net/${name}`]: `../../devices/pci0000:00/0000:05:00.0/net/${name}`,
      ...(master !== undefined && { [`/sys/class/net/${name}/master`]: `../../../virtual/net/${master}` }),
    },
    files: {
      [`/sys/class/net/${name}/mtu`]: '1500\n',
      '/sys/class/net/bond0/bonding/mode': 'active-backup 1\n',
      '/sys/class/net/br0/bridge/stp_state': '0\n',
      '/proc/net/route': ROUTES + routes,
      ...(typeof carrier === 'string' && { [`/sys/class/net/${name}/carrier`]: carrier }),
    },
  });
  return {
    ...host,
    read: (path) => {
      if (path.endsWith('/carrier') && carrier instanceof Error) throw carrier;
      return host.read(path);
    },
  };
}

const details = async (host: Host): Promise<string[]> =>
  (await networkFindings(host, [nic], 1000)).uses.map(({ detail }) => detail);

describe('networkFindings: a port', () => {
  const port = (of: string): string[] => [`eno1 is a port of ${of} and has a carrier`];
  const rows: readonly (readonly [
    name: string,
    facts: Parameters<typeof machine>[0],
    details: readonly string[],
  ])[] = [
    ['of a bridge', { master: 'br0', carrier: '1\n' }, port('bridge br0')],
    ['of a bond', { master: 'bond0', carrier: '1\n' }, port('bond bond0')],
    ['of Open vSwitch', { master: 'ovs-system', carrier: '1\n' }, port('ovs-system')],
    ['without a carrier', { master: 'br0', carrier: '0\n' }, []],
    [
      'that is down, so that its carrier is EINVAL',
      { master: 'br0', carrier: errnoError('EINVAL', 'read', '') },
      [],
    ],
    [
      'whose carrier cannot be read',
      { master: 'br0', carrier: errnoError('EIO', 'read', '') },
      port('bridge br0'),
    ],
    ['whose carrier is not there', { master: 'br0' }, port('bridge br0')],
    ['of nothing', { carrier: '1\n' }, []],
  ];
  for (const [name, facts, expected] of rows) {
    it(name, async () => {
      assert.deepEqual(await details(machine(facts)), expected);
    });
  }
});

describe('networkFindings', () => {
  it('says once what two default routes through one interface lead through', async () => {
    const routes = `eno1${DEFAULT}eno1${DEFAULT.replace('100', '200')}`;
    assert.deepEqual(await details(machine({ routes })), ['the default route leads through eno1']);
  });

  it('finds the port of a bridge that the default route leads over, in halves and in another table', async () => {
    const bridge = {
      links: {
        '/sys/class/net/eno1': '../../devices/pci0000:00/0000:05:00.0/net/eno1',
        '/sys/class/net/br0': '../../devices/virtual/net/br0',
        '/sys/class/net/br0/lower_eno1': '../eno1',
      },
    };
    const half = DEFAULT.replace(/00000000\t0\t0\t0\n$/, '00000080\t0\t0\t0\n');
    const halves = fakeHost({
      ...bridge,
      files: { '/proc/net/route': `${ROUTES}br0${half}` },
      wideRoutes: '[]',
    });
    assert.deepEqual(await details(halves), [
      'a part of the default route (0.0.0.0/1) leads through br0 over eno1',
    ]);
    const told = '[{"dst":"default","dev":"br0","table":"7"}]\n';
    assert.deepEqual(await details(fakeHost({ ...bridge, wideRoutes: told })), [
      'the default route of table 7 leads through br0 over eno1',
    ]);
  });

  it('refuses the card when there is a default route of which nobody tells where it leads', async () => {
    const trie = 'Main:\nId 100:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n';
    const shown = machine({});
    const host = { ...shown, read: (path: string) => (path.endsWith('fib_trie') ? trie : shown.read(path)) };
    assert.deepEqual(await details(host), [
      'the default route of table 100 may lead through eno1: the program ip did not tell',
    ]);
    const known = {
      ...host,
      wideRoutes: () => Promise.resolve('[{"dst":"default","dev":"wg0","table":"100"}]'),
    };
    assert.deepEqual(await details(known), []);
  });

  it('marks names that could mislead, and does not put them into a command', async () => {
    const name = 'a b;\u001b[2J';
    const { uses } = await networkFindings(machine({ name, master: 'br0', carrier: '1\n' }), [nic], 1000);
    assert.deepEqual(
      uses.map(({ detail, hints }) => [detail, hints.map(hintText)]),
      [['"a b;\\u{1b}[2J" is a port of bridge br0 and has a carrier', ['take it out of the bridge']]],
    );
  });

  it('reads no table of routes for a device without an interface, and starts no program', async () => {
    const fail = (): never => assert.fail('it read something');
    const host = { ...machine({}), read: fail, wideRoutes: fail };
    const other = device('06:00.0', { class: '020000', driver: 'igb' });
    assert.deepEqual(await networkFindings(host, [other], 1000), { uses: [], connections: [] });
    assert.deepEqual(await networkFindings(host, [], 1000), { uses: [], connections: [] });
  });
});

describe('sshUses', () => {
  const through = { device: nic.address, through: 'eno1', peer: '1100000010101000' + '0000000100010100' };
  const connections = [{ ...through, sockets: ['socket:[1]', 'socket:[2]'] }];
  const rows: readonly (readonly [name: string, sessions: number])[] = [
    ['sshd', 1],
    ['sshd-session', 1],
    ['dropbear', 1],
    ['nginx', 0],
    ['sshdish', 0],
    ['ssh', 0],
  ];
  for (const [name, sessions] of rows) {
    it(`takes a socket of ${name} for ${sessions === 0 ? 'no session' : 'a session'}`, () => {
      const uses = sshUses(connections, [{ pid: 7, name, path: 'socket:[2]' }]);
      assert.equal(uses.length, sessions);
      for (const { detail } of uses) {
        assert.equal(detail, `the ssh session with 192.168.1.20 ("${name}", pid 7) leads through eno1`);
      }
    });
  }

  it('knows no session when nobody could be asked', () => {
    assert.deepEqual(sshUses(connections, []), []);
  });
});
