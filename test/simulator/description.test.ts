import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { VfioHookError } from '../../src/errors.ts';
import { parsePciAddress } from '../../src/pci/address.ts';
import { build } from '../../simulator/build.ts';
import { inconsistencies } from './consistency.ts';
import { parseDescription, readDescription } from '../../simulator/description.ts';
import { isBridge } from '../../simulator/state.ts';
import { createMachine } from '../../simulator/machine.ts';
import { attribute } from './machines.ts';

const device = (more: string): string => `name: test
devices:
  - { address: '0000:00:01.0', id: '8086:1901', class: '060400', group: 0, driver: pcieport }
  - address: '0000:01:00.0'
    id: '10de:2684'
    class: '030000'
    group: 1
    behind: '0000:00:01.0'
${more
  .split('\n')
  .map((line) => `    ${line}`)
  .join('\n')}
`;

function refusal(text: string): string {
  try {
    parseDescription(text, 'hosts/test.yaml');
  } catch (error) {
    assert.ok(error instanceof VfioHookError, String(error));
    assert.equal(error.code, 'VH_CONFIG');
    return error.message;
  }
  return 'accepted';
}

describe('parseDescription', () => {
  it('accepts the least that a machine needs', () => {
    const spec = parseDescription(device(''), 'test.yaml');
    assert.equal(spec.kernel, '6.12');
    assert.deepEqual(
      spec.drivers.map((driver) => driver.name),
      ['pcieport', 'pci-stub', 'vfio-pci'],
    );
    assert.deepEqual(spec.devices[1]?.bars, []);
  });

  it('reads sizes and ranges of sizes', () => {
    const bars = "bars: { '1': { size: 256M, kind: pref64, sizes: 64M..1G }, '0': { size: 16M } }";
    const spec = parseDescription(device(bars), 'test.yaml');
    const mib = 2 ** 20;
    assert.deepEqual(spec.devices[1]?.bars, [
      { index: 0, size: 16 * mib, kind: 'mem32', sizes: [] },
      {
        index: 1,
        size: 256 * mib,
        kind: 'pref64',
        sizes: [64, 128, 256, 512, 1024].map((size) => size * mib),
      },
    ]);
  });

  const refusals = [
    ['what is no YAML', 'devices: [', /^cannot read machine "hosts\/test\.yaml", line 1: /],
    ['a text', 'hello', /: .*expected Object/],
    ['nothing', '', /expected Object/],
    ['a missing name', 'devices: []', /name/],
    ['an unknown key', 'name: x\ndevices: []\nspeed: 1', /line 3: speed: unknown key/],
    ['an unknown kernel', "name: x\nkernel: '4.19'\ndevices: []", /line 2: kernel: expected/],
    ['a number for a class', device('revision: 3'), /line 9: devices\.1\.revision: 2 hexadecimal digits/],
    ['a malformed address', device("behind2: '1'"), /line 9: devices\.1\.behind2/],
    [
      'a size without a unit',
      device("bars: { '0': { size: '16' } }"),
      /devices\.1\.bars\.0\.size: a size is a number with B/,
    ],
    ['a BAR 6', device("bars: { '6': { size: 16M } }"), /bars\.6: a BAR has a number from 0 to 5/],
    ['a size that is no power of two', device("bars: { '0': { size: 3M } }"), /no power of two/],
    ['a size that is not offered', device("bars: { '0': { size: 1M, sizes: 2M..4M } }"), /does not offer/],
    ['an upper-case id', device('subsystem: "10DE:1234"'), /ids have the form/],
    [
      'more VFs than there can be',
      device("sriov: { total: 1, active: 2, vfDevice: '1234' }"),
      /more active VFs/,
    ],
    [
      'a device twice',
      device('').replace('0000:01:00.0', '0000:00:01.0'),
      /line 4: 0000:00:01\.0 is there twice/,
    ],
    [
      'a bridge that is not there',
      device('').replace("behind: '0000:00:01.0'", "behind: '0000:00:02.0'"),
      /not described above it/,
    ],
    ['a device behind something else', device('').replace('060400', '060000'), /which is no bridge/],
    [
      'a device without a group',
      device('').replace('    group: 1\n', ''),
      /0000:01:00\.0 has no IOMMU group/,
    ],
    [
      'boot VGA that is no VGA',
      device('bootVga: true').replace('030000', '030200'),
      /boot VGA without class 0300/,
    ],
    ['a disk with an odd name', device('disk: { name: disk0 }'), /disk\.name: a name such as nvme0n1/],
    [
      'something on a disk that is nothing known',
      device('disk: { name: sda, partitions: { sda1: { lvms: vg0 } } }'),
      /partitions\.sda1: null, a mount point, swap, or one of luks, lvm/,
    ],
    [
      'memory that is not there',
      'name: x\ndevices: []\nmemory: { nodes: [{ total: 1G, available: 2G }] }',
      /line 3: node 0 can spare more memory than it has/,
    ],
    [
      'more unbroken memory than there is',
      'name: x\ndevices: []\nmemory: { nodes: [{ total: 4G, available: 2G, whole: 2G, pinned: 1M }] }',
      /node 0 has more unbroken and pinned memory/,
    ],
    [
      'huge pages of no size',
      'name: x\ndevices: []\nmemory: { nodes: [{ total: 4G, available: 2G, pages: [{ size: 4M, count: 1 }] }] }',
      /node 0 has pages of 4096 kB, which is none of the sizes/,
    ],
    ['a keyboard without a port', device('keyboards: [{ name: K }]'), /keyboards\.0\.usb/],
    ['a megabyte of text', `# ${'x'.repeat(1_000_001)}`, /longer than a megabyte/],
  ] as const;
  for (const [what, text, message] of refusals) {
    it(`refuses ${what}`, () => {
      assert.match(refusal(text), message);
    });
  }

  it('never throws anything else, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        refusal(text);
        refusal(`name: x\ndevices:\n  - ${text}`);
      }),
    );
  });

  it('says which file cannot be read', () => {
    assert.throws(() => readDescription('hosts/nosuch.yaml'), { code: 'ENOENT' });
  });
});

describe('every example of a machine', () => {
  const files = readdirSync('examples/hosts').filter((name) => name.endsWith('.yaml'));

  it('is one of at least nine', () => {
    assert.ok(files.length >= 9, files.join(' '));
  });

  for (const file of files) {
    describe(file, () => {
      const spec = readDescription(`examples/hosts/${file}`);
      const state = build(spec, 1);
      const host = createMachine(spec).host();

      it('says in a comment what machine it is, and has the name of its file', () => {
        assert.match(readFileSync(`examples/hosts/${file}`, 'utf8'), /^# \S.{20}/);
        assert.equal(`${spec.name}.yaml`, file);
      });

      it('is consistent', () => {
        assert.deepEqual(inconsistencies(state), []);
      });

      it('has each device on its driver, and every driver is there', () => {
        for (const each of spec.devices)
          assert.equal(state.devices[each.address]?.driver, each.driver, each.address);
      });

      it('has links that lead somewhere', () => {
        for (const address of host.list('/sys/bus/pci/devices') ?? []) {
          for (const name of host.list(attribute(address, '')) ?? []) {
            const path = attribute(address, name);
            if (host.readLink(path) === undefined) continue;
            assert.notEqual(host.list(path), undefined, `${path} leads nowhere`);
          }
        }
      });

      it('has each device in the directory of its group, and no group without a device', () => {
        for (const number of host.list('/sys/kernel/iommu_groups') ?? []) {
          const members = host.list(`/sys/kernel/iommu_groups/${number}/devices`) ?? [];
          assert.ok(members.length > 0, number);
          for (const member of members) {
            const group = host.readLink(attribute(member, 'iommu_group'))?.split('/').pop();
            assert.equal(group, number);
          }
        }
      });

      it('has canonical addresses, one boot VGA at most, and buses that fit their bridges', () => {
        for (const each of spec.devices) assert.equal(parsePciAddress(each.address), each.address);
        // Servers may have none at all.
        assert.ok(spec.devices.filter((each) => each.bootVga).length <= 1);
        for (const each of spec.devices.filter((one) => one.behind !== undefined)) {
          const bridge = spec.devices.find((one) => one.address === each.behind);
          assert.ok(bridge && isBridge(bridge));
          assert.notEqual(bridge.address.slice(0, 7), each.address.slice(0, 7), each.address);
        }
      });

      it('has devices behind one bridge on one bus', () => {
        const buses = new Map<string, string>();
        for (const each of spec.devices.filter((one) => one.behind !== undefined)) {
          const bus = each.address.slice(0, 7);
          assert.equal(buses.get(each.behind ?? '') ?? bus, bus, each.address);
          buses.set(each.behind ?? '', bus);
        }
      });

      it('survives JSON', () => {
        assert.deepEqual(JSON.parse(JSON.stringify(state)), state);
      });
    });
  }
});
