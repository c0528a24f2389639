import assert from 'node:assert/strict';
import { parseDescription } from '../../simulator/description.ts';
import { createMachine } from '../../simulator/machine.ts';
import type { SimulatedHost } from '../../simulator/host.ts';
import { answer, attribute } from './machines.ts';

const NIC = '0000:01:00.0';

function machine(net: string, lines = ''): SimulatedHost {
  const text = `name: network
${lines}
devices:
  - { address: '${NIC}', id: '8086:1521', class: '020000', group: 0, driver: igb, net: ${net} }
`;
  return createMachine(parseDescription(text, 'network.yaml')).host();
}

/** Fields of a table's lines, without the header. */
const rows = (host: SimulatedHost, path: string, header: number): string[][] =>
  (host.read(path) ?? '')
    .trimEnd()
    .split('\n')
    .slice(header)
    .map((line) => line.trim().split(/\s+/));

describe('a network interface of a description', () => {
  it('is below its device and in the class, and leads to its master', () => {
    const host = machine(
      '{ name: eno1, up: true, master: br0 }',
      'interfaces: [{ name: br0, kind: bridge, over: [eno1], up: true }]',
    );
    assert.equal(host.readLink('/sys/class/net/eno1'), `../../devices/pci0000:01/${NIC}/net/eno1`);
    assert.equal(host.read('/sys/class/net/eno1/carrier'), '1\n');
    assert.equal(host.readLink('/sys/class/net/eno1/master')?.split('/').pop(), 'br0');
    assert.deepEqual(host.list('/sys/class/net/br0/'), [
      'bridge',
      'carrier',
      'flags',
      'lower_eno1',
      'operstate',
    ]);
    assert.match(host.readLink('/sys/class/net/br0') ?? '', /devices\/virtual\/net\/br0$/);
  });

  it('does not know its carrier while it is down', () => {
    const host = machine('{ name: eno1 }');
    assert.equal(host.read('/sys/class/net/eno1/operstate'), 'down\n');
    assert.throws(() => host.read('/sys/class/net/eno1/carrier'), { errno: 'EINVAL' });
  });

  it('goes when the driver lets the device go', async () => {
    const host = machine('{ name: eno1, up: true }');
    assert.equal(await answer(host, '/sys/bus/pci/drivers/igb/unbind', NIC), 'ok');
    assert.equal(host.readLink('/sys/class/net/eno1'), undefined);
    assert.equal(host.list(attribute(NIC, 'net')), undefined);
  });

  it('of a virtio or USB device is further down', () => {
    const host = machine("{ name: enx0, up: true, under: 'usb1/1-2/1-2:1.0/' }");
    assert.match(
      host.readLink('/sys/class/net/enx0') ?? '',
      /0000:01:00\.0\/usb1\/1-2\/1-2:1\.0\/net\/enx0$/,
    );
  });

  it('has a file among the links of the class when there is a bond', () => {
    const host = machine(
      '{ name: eno1, master: bond0 }',
      'interfaces: [{ name: bond0, kind: bond, over: [eno1] }]',
    );
    assert.deepEqual(host.list('/sys/class/net'), ['bond0', 'bonding_masters', 'eno1']);
    assert.equal(host.readLink('/sys/class/net/bonding_masters'), undefined);
  });
});

describe('the routes of a description', () => {
  it('are a default one and one for each network, as the kernel prints them', () => {
    const host = machine(
      "{ name: eno1, up: true, defaultRoute: both, addresses: ['192.168.1.5/24', '10.9.8.7/20', '2001:db8:7::5/64'] }",
    );
    assert.deepEqual(
      rows(host, '/proc/net/route', 1).map(([name, destination, , flags, , , , mask]) => [
        name,
        destination,
        flags,
        mask,
      ]),
      [
        ['eno1', '00000000', '0003', '00000000'],
        ['eno1', '0001A8C0', '0001', '00FFFFFF'],
        ['eno1', '0000090A', '0001', '00F0FFFF'],
      ],
    );
    assert.deepEqual(
      rows(host, '/proc/net/ipv6_route', 0).map((fields) => [
        fields[0],
        fields[1],
        fields.at(-2),
        fields.at(-1),
      ]),
      [
        ['0'.repeat(32), '00', '00450003', 'eno1'],
        ['20010db8000700000000000000000000', '40', '00000001', 'eno1'],
        ['0'.repeat(32), '00', '00200200', 'lo'],
      ],
    );
  });

  it('are none but the one to nowhere without an interface that has any', () => {
    const host = machine('{ name: eno1 }');
    assert.deepEqual(rows(host, '/proc/net/route', 1), []);
    assert.equal(rows(host, '/proc/net/ipv6_route', 0).length, 1);
  });
});

describe('the connections of a description', () => {
  it('are in the table of their version, with the inode that its process has open', () => {
    const host = machine(
      '{ name: eno1, up: true }',
      `processes:
  - { name: sshd, unit: ssh.service, sessions: [{ local: '192.168.1.5:22', peer: '192.168.1.20:50134' }] }
  - { name: sshd, sessions: [{ local: '[2001:db8::5]:22', peer: '[::ffff:10.1.2.3]:50022' }] }`,
    );
    const [four] = rows(host, '/proc/net/tcp', 1);
    assert.deepEqual(four?.slice(1, 4), ['0501A8C0:0016', '1401A8C0:C3D6', '01']);
    const [six] = rows(host, '/proc/net/tcp6', 1);
    assert.deepEqual(six?.slice(1, 4), [
      'B80D0120000000000000000005000000:0016',
      '0000000000000000FFFF00000302010A:C366',
      '01',
    ]);
    const holders = host.holders([`socket:[${four[9] ?? ''}]`, `socket:[${six[9] ?? ''}]`]);
    assert.deepEqual(
      holders.map(({ name, unit }) => [name, unit]),
      [
        ['sshd', { name: 'ssh.service' }],
        ['sshd', undefined],
      ],
    );
  });
});
