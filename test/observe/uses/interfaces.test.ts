import assert from 'node:assert/strict';
import { functionsBelow, lastFunction, readInterfaces } from '../../../src/observe/uses/interfaces.ts';
import type { Host } from '../../../src/host/host.ts';
import { pci } from '../../scenario.ts';
import { fakeHost } from '../../host/fake-host.ts';

const NIC = pci('0000:05:00.0');
const USB = pci('0000:00:14.0');

/** A machine with links to interfaces, and the entries of their directories. */
function machine(links: Readonly<Record<string, string>>, entries: readonly string[] = []): Host {
  return fakeHost({
    links: Object.fromEntries(
      Object.entries(links).map(([name, path]) => [
        `/sys/class/net/${name}`,
        `../../devices/${path}/net/${name}`,
      ]),
    ),
    files: Object.fromEntries(entries.map((entry) => [`/sys/class/net/${entry}`, ''])),
  });
}

const ENO1 = { eno1: 'pci0000:00/0000:00:1c.0/0000:05:00.0' };

describe('readInterfaces', () => {
  it('tells which function an interface belongs to, and what it is on', () => {
    const host = machine({ ...ENO1, 'eno1.7': 'virtual' }, ['eno1.7/lower_eno1', 'eno1.7/mtu']);
    assert.deepEqual(
      readInterfaces(host, new Set([NIC])),
      new Map([
        ['eno1', { device: NIC, lower: [] }],
        ['eno1.7', { lower: ['eno1'] }],
      ]),
    );
  });

  it('is nothing when none of the devices has an interface, and looks into none', () => {
    const host = machine(ENO1, ['eno1/mtu']);
    const list = (path: string): readonly string[] | undefined => {
      assert.equal(path, '/sys/class/net');
      return host.list(path);
    };
    assert.equal(readInterfaces({ ...host, list }, new Set([USB])), undefined);
  });

  it('reads nothing at all without devices', () => {
    const host = { ...machine(ENO1), list: () => assert.fail('it looked') };
    assert.equal(readInterfaces(host, new Set()), undefined);
  });

  it('passes over the file of the bonding driver, which is no link', () => {
    const host = machine({ ...ENO1 }, ['bonding_masters']);
    const readLink = (path: string): string | undefined => {
      assert.ok(!path.endsWith('bonding_masters'), 'readlink(2) says EINVAL');
      return host.readLink(path);
    };
    assert.deepEqual([...(readInterfaces({ ...host, readLink }, new Set([NIC]))?.keys() ?? [])], ['eno1']);
  });
});

describe('functionsBelow', () => {
  const interfaces = new Map([
    ['eno1', { device: NIC, lower: [] }],
    ['enx00', { device: USB, lower: [] }],
    ['bond0', { lower: ['eno1', 'enx00'] }],
    ['bond0.7', { lower: ['bond0'] }],
    ['br0', { lower: ['bond0.7', 'tap0'] }],
    ['tap0', { lower: [] }],
    ['circle', { lower: ['ring', 'eno1'] }],
    ['ring', { lower: ['circle'] }],
  ]);
  const rows: readonly (readonly [name: string, below: readonly string[]])[] = [
    ['eno1', ['eno1']],
    ['br0', ['eno1', 'enx00']],
    ['tap0', []],
    ['circle', ['eno1']],
    ['nothing', []],
  ];
  for (const [name, below] of rows) {
    it(`of ${name}: ${below.join(' and ') || 'none'}`, () => {
      assert.deepEqual([...functionsBelow(interfaces, name).values()], below);
    });
  }
});

describe('lastFunction', () => {
  const rows: readonly (readonly [name: string, path: string, address: string | undefined])[] = [
    ['a card behind bridges', '../../devices/pci0000:00/0000:00:1c.0/0000:05:00.0/net/eno1', NIC],
    ['a virtio card', '../../devices/pci0000:00/0000:05:00.0/virtio0/net/ens5', NIC],
    ['a USB adapter', '../../devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/net/enx00', USB],
    ['a bridge', '../../devices/virtual/net/br0', undefined],
    ['a device of the platform', '../../devices/platform/simple-framebuffer.0/graphics/fb0', undefined],
    ['nothing', '', undefined],
  ];
  for (const [name, path, address] of rows) {
    it(`of ${name}`, () => {
      assert.equal(lastFunction(path), address);
    });
  }
});
