import assert from 'node:assert/strict';
import { readFeatures, type Features } from '../../src/domain/features.ts';

const UUID = '6e9d6d4c-6b1b-4a0c-8f0a-0d6f9c1f2b3a';
const read = (inside: string, attributes = ''): Features =>
  readFeatures(`<domain${attributes}><name>x</name><uuid>${UUID}</uuid>${inside}</domain>`);
const GIB = 2 ** 30;

describe('readFeatures', () => {
  const table: readonly (readonly [sentence: string, inside: string, features: Partial<Features>])[] = [
    ['an empty guest', '', { machine: '', efi: false, memory: 0, locked: false, hyperv: false, devices: [] }],
    ['memory in KiB unless it says otherwise', '<memory>1048576</memory>', { memory: GIB }],
    ['memory in another unit', "<memory unit='GB'>1</memory>", { memory: 1e9 }],
    [
      'memory that can be added counts',
      "<maxMemory slots='2' unit='GiB'>4</maxMemory><memory unit='GiB'>1</memory>",
      { memory: 4 * GIB },
    ],
    ['memory that is no number', '<memory>plenty</memory>', { memory: 0 }],
    ['memory in a unit that is none', "<memory unit='stone'>1</memory>", { memory: 0 }],
    [
      'machine type and firmware',
      "<os firmware='efi'><type machine='q35'>hvm</type></os>",
      { machine: 'q35', efi: true },
    ],
    ['firmware by its loader', "<os><loader type='pflash'>/x</loader></os>", { efi: true }],
    [
      'huge pages of the default size',
      '<memoryBacking><hugepages/><locked/></memoryBacking>',
      { hugepages: [], locked: true },
    ],
    [
      'huge pages of certain sizes, each once',
      "<memoryBacking><hugepages><page size='1' unit='G'/><page size='1' unit='G' nodeset='1'/></hugepages></memoryBacking>",
      { hugepages: [GIB] },
    ],
    ['a limit', "<memtune><hard_limit unit='MiB'>1</hard_limit></memtune>", { hardLimit: 2 ** 20 }],
    [
      'what hides the hypervisor',
      "<features><hyperv><vendor_id state='on' value='a'/></hyperv><kvm><hidden state='on'/></kvm></features>",
      { hyperv: true, hypervVendorId: 'a', kvmHidden: true },
    ],
    [
      'what would hide it, switched off',
      "<features><hyperv><vendor_id state='off' value='a'/></hyperv><kvm><hidden state='off'/></kvm></features>",
      { hyperv: true, kvmHidden: false },
    ],
    ['the width of addresses', "<cpu><maxphysaddr mode='passthrough'/></cpu>", { physicalAddressBits: true }],
    [
      'disks by path, and USB devices',
      "<devices><disk type='block'><source dev='/dev/sda'/><target dev='vda'/></disk><disk type='file'><source file='/x'/></disk><hostdev type='usb'/></devices>",
      { blockDisks: [{ path: '/dev/sda', target: 'vda' }], usbDevices: 1 },
    ],
    [
      'nothing of metadata',
      '<metadata><memtune><hard_limit>1</hard_limit></memtune></metadata><description>&lt;locked/></description>',
      { locked: false },
    ],
  ];
  for (const [sentence, inside, features] of table) {
    it(sentence, () => {
      const all = read(inside);
      assert.deepEqual(
        Object.fromEntries(Object.keys(features).map((key) => [key, all[key as keyof Features]])),
        features,
      );
      if (features.hypervVendorId === undefined) assert.ok(!('hypervVendorId' in all));
      if (features.hardLimit === undefined) assert.ok(!('hardLimit' in all));
    });
  }

  it('knows QEMU arguments and properties by their namespace, whatever the prefix', () => {
    const { qemuArguments, overriddenProperties } = read(
      "<q:commandline><q:arg value='-x'/></q:commandline><q:override><q:device alias='a'><q:frontend><q:property name='p' value='1'/></q:frontend></q:device></q:override><x:override xmlns:x='y'><x:property name='no'/></x:override>",
      " xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'",
    );
    assert.deepEqual([qemuArguments, overriddenProperties], [['-x'], ['p']]);
  });

  it('gives devices the ids that libvirt gives them: interfaces first, those with an id of their own not counted', () => {
    const source = (bus: number): string => `<source><address type='pci' bus='${bus}'/></source>`;
    const host = (bus: number, inside = ''): string =>
      `<hostdev mode='subsystem' type='pci'>${source(bus).replace(" type='pci'", '')}${inside}</hostdev>`;
    const { devices } = read(
      `<devices>${host(1)}<hostdev mode='subsystem' type='usb'/>${host(2, "<alias name='ua-x'/>")}${host(3)}<interface type='hostdev'>${source(4)}</interface></devices>`,
    );
    assert.deepEqual(
      devices.map(({ address, alias }) => [address.slice(5, 7), alias]),
      [
        ['04', 'hostdev0'],
        ['01', 'hostdev1'],
        ['02', 'ua-x'],
        ['03', 'hostdev3'],
      ],
    );
  });

  it('reads where the guest sees a device, and its ROM', () => {
    const { devices } = read(
      "<devices><hostdev mode='subsystem' type='pci'><driver iommufd='yes'/><source><address bus='1'/></source><rom bar='off' file='/x.rom'/><address type='pci' domain='0' bus='0x05' slot='0x1f' function='0x7' multifunction='on'/></hostdev></devices>",
    );
    assert.deepEqual(devices[0], {
      form: 'hostdev',
      address: '0000:01:00.0',
      alias: 'hostdev0',
      seenAt: { slot: '0:5:1f', function: 7, multifunction: true },
      rom: { off: true, file: '/x.rom' },
      iommufd: true,
    });
  });

  it('refuses what is no document', () => {
    assert.throws(() => readFeatures('<domain>'), { code: 'VH_XML' });
    assert.throws(() => readFeatures('<network/>'), { code: 'VH_XML' });
  });
});
