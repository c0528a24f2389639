import assert from 'node:assert/strict';
import { overrideText, readDevice } from '../../src/observe/read-device.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import { pci } from '../scenario.ts';
import type { Host } from '../../src/host/host.ts';
import { fakeHost, type Shown } from '../host/fake-host.ts';

const ADDRESS = pci('0000:03:00.0');
const at = (name: string): string => `/sys/bus/pci/devices/${ADDRESS}/${name}`;

/** A Radeon as Linux 6.12 shows it, attribute by attribute. */
const card: Readonly<Record<string, string>> = {
  vendor: '0x1002\n',
  device: '0x744c\n',
  subsystem_vendor: '0x1da2\n',
  subsystem_device: '0x471e\n',
  revision: '0xc8\n',
  class: '0x030000\n',
  modalias: 'pci:v00001002d0000744Csv00001DA2sd0000471Ebc03sc00i00\n',
  resource: [
    '0x0000007800000000 0x0000007bffffffff 0x000000000014220c',
    '0x0000000000000000 0x0000000000000000 0x0000000000000000',
    '0x0000007c00000000 0x0000007c0fffffff 0x000000000014220c',
    '0x0000000000000000 0x0000000000000000 0x0000000000000000',
    '0x000000000000f000 0x000000000000f0ff 0x0000000000040101',
    '0x00000000fcc00000 0x00000000fccfffff 0x0000000000040200',
    '0x00000000fcd00000 0x00000000fcd1ffff 0x0000000000046200',
    '',
  ].join('\n'),
  resource0_resize: '000000000007ff00\n',
  resource2_resize: '00000000000001fe\n',
  reset_method: 'bus\n',
  'power/control': 'on\n',
  d3cold_allowed: '1\n',
  boot_vga: '0\n',
};

function shown(files: Readonly<Record<string, string>>, more: Shown = {}): Shown {
  return {
    ...more,
    files: Object.fromEntries(Object.entries(files).map(([name, text]) => [at(name), text])),
  };
}

function read(host: Shown, locked: Readonly<Record<string, string>> = {}): PciDevice {
  const device = readDevice(
    fakeHost(host),
    ADDRESS,
    new Map(Object.entries(locked).map(([name, text]) => [at(name), text])),
  );
  assert.ok(device);
  return device;
}

const links = {
  [at('driver')]: '../../../../bus/pci/drivers/amdgpu',
  [at('driver/module')]: '../../../../module/amdgpu',
  [at('iommu_group')]: '../../../../kernel/iommu_groups/16',
};

describe('readDevice', () => {
  it('reads a device with everything', () => {
    const MIB = 2 ** 20;
    const sizes = (first: number, last: number): number[] => {
      const list = [];
      for (let size = first; size <= last; size *= 2) list.push(size * MIB);
      return list;
    };
    assert.deepEqual(read(shown(card, { links }), { driver_override: '(null)\n' }), {
      address: ADDRESS,
      vendor: '1002',
      device: '744c',
      subsystemVendor: '1da2',
      subsystemDevice: '471e',
      revision: 'c8',
      class: '030000',
      headerType: 'endpoint',
      modalias: 'pci:v00001002d0000744Csv00001DA2sd0000471Ebc03sc00i00',
      iommuGroup: 16,
      driver: 'amdgpu',
      driverModule: 'amdgpu',
      onVfio: false,
      bars: [
        { index: 0, size: 16 * 1024 * MIB, flags: 0x14220c, sizes: sizes(256, 262_144) },
        { index: 2, size: 256 * MIB, flags: 0x14220c, sizes: sizes(2, 256) },
        { index: 4, size: 256, flags: 0x40101 },
        { index: 5, size: MIB, flags: 0x40200 },
      ],
      resetMethods: ['bus'],
      powerControl: 'on',
      d3coldAllowed: true,
      bootVga: false,
    });
  });

  it('reads one with nothing but its ids', () => {
    assert.deepEqual(read(shown({ vendor: '0x8086\n' })), {
      address: ADDRESS,
      vendor: '8086',
      device: '',
      subsystemVendor: '',
      subsystemDevice: '',
      revision: '',
      class: '',
      headerType: 'endpoint',
      modalias: '',
      onVfio: false,
      bars: [],
    });
  });

  it('is nothing for a device that has left the bus', () => {
    assert.equal(readDevice(fakeHost({}), ADDRESS, new Map()), undefined);
  });

  it('never reads configuration space, for which the kernel may have to wake the card', () => {
    const host = fakeHost({ files: { [at('vendor')]: '0x1002\n', [at('config')]: '' } });
    const refuse = (path: string): never => assert.fail(`${path} was read`);
    const guarded: Host = {
      ...host,
      read: (path) => (path.endsWith('/config') ? refuse(path) : host.read(path)),
      readBytes: refuse,
      readSlow: refuse,
    };
    assert.ok(readDevice(guarded, ADDRESS, new Map()));
  });

  const rows: readonly (readonly [name: string, host: Shown, facts: Partial<PciDevice>])[] = [
    [
      'a built-in driver has no module',
      { links: { [at('driver')]: '../x/pcieport' } },
      { driver: 'pcieport' },
    ],
    [
      'a bridge by the attribute that only bridges have',
      { files: { [at('secondary_bus_number')]: '3\n', [at('class')]: '0x060400\n' } },
      { headerType: 'bridge' },
    ],
    [
      'a CardBus bridge by its class as well',
      { files: { [at('secondary_bus_number')]: '3\n', [at('class')]: '0x060700\n' } },
      { headerType: 'cardbus' },
    ],
    [
      'a bridge to the host, which has the header of an endpoint',
      { files: { [at('class')]: '0x060000\n' } },
      { headerType: 'endpoint' },
    ],
    [
      'vfio-pci by its name (before Linux 6.1)',
      { links: { [at('driver')]: '../x/vfio-pci' } },
      { onVfio: true },
    ],
    ['a vfio variant by its name', { links: { [at('driver')]: '../x/mlx5_vfio_pci' } }, { onVfio: true }],
    [
      'a vfio variant by its directory',
      { links: { [at('driver')]: '../x/nvgrace' }, empty: [at('vfio-dev')] },
      { onVfio: true },
    ],
    ['the directory alone is no driver', { empty: [at('vfio-dev')] }, { onVfio: false }],
    [
      'a name that only sounds like vfio-pci',
      { links: { [at('driver')]: '../x/notvfio-pci' } },
      { onVfio: false },
    ],
    [
      'a virtual function',
      { links: { [at('physfn')]: '../0000:17:00.0' } },
      { physicalFunction: pci('0000:17:00.0') },
    ],
  ];
  for (const [name, host, facts] of rows) {
    it(`tells ${name}`, () => {
      const device = read({ ...host, files: { ...host.files, [at('vendor')]: '0x8086\n' } });
      assert.deepEqual(
        Object.fromEntries(Object.keys(facts).map((key) => [key, device[key as keyof PciDevice]])),
        facts,
      );
      if (!('physicalFunction' in facts)) assert.equal(device.driverModule, undefined);
    });
  }

  const texts: readonly (readonly [
    name: string,
    files: Readonly<Record<string, string>>,
    facts: Partial<PciDevice>,
  ])[] = [
    ['several reset methods in their order', { reset_method: 'flr bus\n' }, { resetMethods: ['flr', 'bus'] }],
    ['reset methods that are all off', { reset_method: '\n' }, { resetMethods: [] }],
    ['power control auto', { 'power/control': 'auto\n' }, { powerControl: 'auto' }],
    ['the boot VGA', { boot_vga: '1\n' }, { bootVga: true }],
    ['D3cold that is not allowed', { d3cold_allowed: '0\n' }, { d3coldAllowed: false }],
    ['a vGPU', { 'nvidia/current_vgpu_type': '563\n' }, { vgpuType: 563 }],
    ['a virtual function without a vGPU', { 'nvidia/current_vgpu_type': '0\n' }, { vgpuType: 0 }],
  ];
  for (const [name, files, facts] of texts) {
    it(`reads ${name}`, () => {
      const device = read(shown({ vendor: '0x10de\n', ...files }));
      assert.deepEqual(
        Object.fromEntries(Object.keys(facts).map((key) => [key, device[key as keyof PciDevice]])),
        facts,
      );
    });
  }

  it('takes no power control that it does not know', () => {
    assert.equal(
      'powerControl' in read(shown({ vendor: '0x10de\n', 'power/control': 'sometimes\n' })),
      false,
    );
  });

  it('takes the number of virtual functions from what was read under a deadline', () => {
    const files = { vendor: '0x8086\n', sriov_totalvfs: '64\n', sriov_numvfs: '9\n' };
    assert.deepEqual(read(shown(files), { sriov_numvfs: '4\n' }).sriov, { totalVfs: 64, numVfs: 4 });
    assert.deepEqual(read(shown(files)).sriov, { totalVfs: 64, numVfs: 0 });
  });

  it('takes the override from what was read under a deadline', () => {
    const files = { vendor: '0x8086\n', driver_override: 'not this one\n' };
    assert.equal(read(shown(files), { driver_override: 'vfio-pci\n' }).driverOverride, 'vfio-pci');
    assert.equal(read(shown(files)).driverOverride, undefined);
  });
});

describe('overrideText', () => {
  const rows: readonly (readonly [text: string | undefined, override: string | undefined])[] = [
    ['(null)\n', undefined],
    ['(null)', undefined],
    ['\n', undefined],
    ['', undefined],
    [undefined, undefined],
    ['vfio-pci\n', 'vfio-pci'],
    ['vfio-pci', 'vfio-pci'],
    [' with blanks \n', ' with blanks '],
  ];
  for (const [text, override] of rows) {
    it(`is ${override ?? 'none'} for ${text === undefined ? 'nothing' : JSON.stringify(text)}`, () => {
      assert.equal(overrideText(text), override);
    });
  }
});
