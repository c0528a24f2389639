import assert from 'node:assert/strict';
import { overrideText, readDevice } from '../../src/observe/read-device.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import { createMachine } from '../../simulator/machine.ts';
import { machineSpec, pci } from '../scenario.ts';
import { exampleHosts } from '../sweep/subjects.ts';
import type { Host } from '../../src/host/host.ts';
import { fakeHost, type Shown } from '../host/fake-host.ts';

const ADDRESS = pci('0000:03:00.0');
const at = (name: string): string => `/sys/bus/pci/devices/${ADDRESS}/${name}`;

/** The text of `modalias` for these ids. */
function modalias({ vendor = '8086', device = '1533', code = '020000' } = {}): string {
  const [base, sub, programming] = [0, 2, 4].map((at) => code.slice(at, at + 2).toUpperCase());
  return `pci:v0000${vendor.toUpperCase()}d0000${device.toUpperCase()}sv00000000sd00000000bc${base!}sc${sub!}i${programming!}\n`;
}

/** A Radeon as Linux 6.12 shows it, attribute by attribute. */
const card: Readonly<Record<string, string>> = {
  revision: '0xc8\n',
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
    assert.deepEqual(read(shown({ modalias: modalias() })), {
      address: ADDRESS,
      vendor: '8086',
      device: '1533',
      subsystemVendor: '0000',
      subsystemDevice: '0000',
      revision: '',
      class: '020000',
      headerType: 'endpoint',
      modalias: modalias().trim(),
      onVfio: false,
      bars: [],
    });
  });

  it('is nothing for a device that has left the bus', () => {
    assert.equal(readDevice(fakeHost({}), ADDRESS, new Map()), undefined);
  });

  it('is nothing for one that leaves the bus while it is read', () => {
    const host = fakeHost(shown({ modalias: modalias() }));
    assert.equal(readDevice({ ...host, read: () => undefined }, ADDRESS, new Map()), undefined);
  });

  it('is refused, and never taken for gone, when its ids cannot be told', () => {
    assert.throws(
      () => read(shown({ modalias: 'usb:v1D6Bp0002\n' })),
      /^VfioHookError: \/sys\/bus\/pci\/devices\/0000:03:00.0\/modalias reads "usb:v1D6Bp0002", which is no PCI device's$/,
    );
  });

  it('asks for nothing that its directory does not list, and lists that once', () => {
    const host = fakeHost(shown(card, { links }));
    const asked: string[] = [];
    const note = <Answer>(path: string, answer: Answer): Answer => {
      asked.push(`${path.slice(at('').length)}${answer === undefined ? ' is not there' : ''}`);
      return answer;
    };
    const noting: Host = {
      ...host,
      read: (path) => note(path, host.read(path)),
      readLink: (path) => note(path, host.readLink(path)),
      list: (path) => note(path, host.list(path)),
    };
    readDevice(noting, ADDRESS, new Map());
    assert.deepEqual(asked.sort(), [
      '',
      ...['boot_vga', 'd3cold_allowed', 'driver', 'driver/module', 'iommu_group', 'modalias'],
      ...['power/control', 'reset_method', 'resource', 'resource0_resize', 'resource2_resize', 'revision'],
    ]);
  });

  it('never reads configuration space, for which the kernel may have to wake the card', () => {
    const host = fakeHost({ files: { [at('modalias')]: modalias(), [at('config')]: '' } });
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
      { files: { [at('secondary_bus_number')]: '3\n', [at('modalias')]: modalias({ code: '060400' }) } },
      { headerType: 'bridge' },
    ],
    [
      'a CardBus bridge by its class as well',
      { files: { [at('secondary_bus_number')]: '3\n', [at('modalias')]: modalias({ code: '060700' }) } },
      { headerType: 'cardbus' },
    ],
    [
      'a bridge to the host, which has the header of an endpoint',
      { files: { [at('modalias')]: modalias({ code: '060000' }) } },
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
      const device = read({ ...host, files: { [at('modalias')]: modalias(), ...host.files } });
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
      const device = read(shown({ modalias: modalias(), ...files }));
      assert.deepEqual(
        Object.fromEntries(Object.keys(facts).map((key) => [key, device[key as keyof PciDevice]])),
        facts,
      );
    });
  }

  it('takes no power control that it does not know', () => {
    assert.equal(
      'powerControl' in read(shown({ modalias: modalias(), 'power/control': 'sometimes\n' })),
      false,
    );
  });

  it('takes the number of virtual functions from what was read under a deadline', () => {
    const files = { modalias: modalias(), sriov_totalvfs: '64\n', sriov_numvfs: '9\n' };
    assert.deepEqual(read(shown(files), { sriov_numvfs: '4\n' }).sriov, { totalVfs: 64, numVfs: 4 });
    assert.deepEqual(read(shown(files)).sriov, { totalVfs: 64, numVfs: 0 });
  });

  it('takes the override from what was read under a deadline', () => {
    const files = { modalias: modalias(), driver_override: 'not this one\n' };
    assert.equal(read(shown(files), { driver_override: 'vfio-pci\n' }).driverOverride, 'vfio-pci');
    assert.equal(read(shown(files)).driverOverride, undefined);
  });
});

describe('readDevice on every example machine', () => {
  for (const name of exampleHosts()) {
    it(`${name}: what it says is what the attributes say, one by one`, () => {
      const host = createMachine(machineSpec(name)).host();
      for (const listed of host.list(sysfs.devices) ?? []) {
        const address = pci(listed);
        const attribute = (file: string): string | undefined =>
          host.read(sysfs.attribute(address, file))?.trim();
        const target = (file: string): string | undefined =>
          host.readLink(sysfs.attribute(address, file))?.split('/').pop();
        const device = readDevice(host, address, new Map());
        assert.ok(device);
        assert.deepEqual(
          [device.vendor, device.device, device.subsystemVendor, device.subsystemDevice, device.class],
          ['vendor', 'device', 'subsystem_vendor', 'subsystem_device', 'class'].map((file) =>
            attribute(file)?.replace('0x', ''),
          ),
        );
        assert.deepEqual(
          {
            driver: device.driver,
            module: device.driverModule,
            group: device.iommuGroup,
            physical: device.physicalFunction,
            methods: device.resetMethods?.join(' '),
            d3cold: device.d3coldAllowed,
            bootVga: device.bootVga,
            totalVfs: device.sriov?.totalVfs,
            vgpuType: device.vgpuType,
            isBridge: device.headerType !== 'endpoint',
          },
          {
            driver: target('driver'),
            module: target('driver/module'),
            group: numberOf(target('iommu_group')),
            physical: target('physfn'),
            methods: attribute('reset_method'),
            d3cold: flag(attribute('d3cold_allowed')),
            bootVga: flag(attribute('boot_vga')),
            totalVfs: numberOf(attribute('sriov_totalvfs')),
            vgpuType: numberOf(attribute('nvidia/current_vgpu_type')),
            isBridge: attribute('secondary_bus_number') !== undefined,
          },
        );
      }
    });
  }
});

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function flag(text: string | undefined): boolean | undefined {
  return text === undefined ? undefined : text === '1';
}

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
