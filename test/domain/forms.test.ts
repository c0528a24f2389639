import assert from 'node:assert/strict';
import type { Hostdev } from '../../src/domain/domain.ts';
import { parseDomain } from '../../src/domain/parse.ts';
import { guest, hostdev, pci, refusalOf } from './documents.ts';

/** Each form that assigns a host device, and each that only looks like one: what stands in `<devices>`, what is found. */
type Row = readonly [title: string, devices: string, found: readonly object[]];

const GPU = '0000:01:00.0';
const MDEV = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
const interfaceOf = (type: string, content: string, attributes = ''): string =>
  `<interface type='${type}' ${attributes}>${content}</interface>`;
const source = (address: string, attributes = ''): string =>
  `<source ${attributes}><address ${address}/></source>`;
const found = (xml: string): readonly Hostdev[] => parseDomain(xml).hostdevs;

const hostdevs: readonly Row[] = [
  ['a PCI device', hostdev(pci(1)), [{ kind: 'pci', address: GPU, managed: true }]],
  [
    'a PCI device without mode',
    `<hostdev type='pci'>${source(pci(1))}</hostdev>`,
    [{ kind: 'pci', address: GPU, managed: false }],
  ],
  [
    'a PCI device with a driver, a ROM and a guest address that is not assigned',
    `<hostdev mode='subsystem' type='pci' managed='no'><driver name='vfio' model='vfio_pci_x'/>${source(pci(1), "writeFiltering='no'")}<rom bar='off'/><address type='unassigned'/></hostdev>`,
    [{ kind: 'pci', address: GPU, managed: false, driver: 'vfio', model: 'vfio_pci_x' }],
  ],
  [
    'a mediated device',
    hostdev(`uuid='${MDEV.toUpperCase()}'`, "type='mdev' model='vfio-pci'"),
    [{ kind: 'mdev', uuid: MDEV, managed: false, model: 'vfio-pci' }],
  ],
  [
    'a mediated device without model',
    hostdev(`uuid='${MDEV}'`, "type='mdev' managed='yes'"),
    [{ kind: 'mdev', uuid: MDEV, managed: true }],
  ],
  ['no USB device', hostdev("bus='1' device='2'", "type='usb' managed='yes'"), []],
  [
    'no SCSI device',
    `<hostdev type='scsi'><source><adapter name='scsi_host0'/><address bus='0' target='0' unit='0'/></source></hostdev>`,
    [],
  ],
  ['no SCSI host', `<hostdev type='scsi_host'><source protocol='vhost' wwpn='naa.1'/></hostdev>`, []],
  [
    "no container's device",
    `<hostdev mode='capabilities' type='storage'><source><block>/dev/sda</block></source></hostdev>`,
    [],
  ],
  ['nothing of a type that a later libvirt may add', hostdev(pci(1), "type='quantum'"), []],
];

const interfaces: readonly Row[] = [
  [
    'a virtual function',
    interfaceOf('hostdev', source(`type='pci' ${pci(1)}`), "managed='yes'"),
    [{ kind: 'interface', address: GPU, managed: true }],
  ],
  [
    'a virtual function with a driver',
    interfaceOf('hostdev', `<driver name='vfio' model='m'/>${source(pci(1))}`),
    [{ kind: 'interface', address: GPU, managed: false, driver: 'vfio', model: 'm' }],
  ],
  ['no USB network card', interfaceOf('hostdev', source("type='usb' bus='1' device='2'")), []],
  [
    'the function that libvirt chose from a pool',
    interfaceOf(
      'network',
      `<source network='pool'/><actual type='hostdev' managed='yes'><driver name='vfio'/>${source(`type='pci' ${pci(1)}`)}</actual>`,
    ),
    [{ kind: 'network', address: GPU, managed: true, driver: 'vfio' }],
  ],
  [
    'no network of another kind',
    interfaceOf(
      'network',
      `<source network='default'/><actual type='bridge'><source bridge='virbr0'/></actual>`,
    ),
    [],
  ],
  ['no network before libvirt has chosen', interfaceOf('network', `<source network='pool'/>`), []],
  ['no bridge', interfaceOf('bridge', `<source bridge='br0'/><address type='pci' ${pci(1)}/>`), []],
  ['no vDPA device', interfaceOf('vdpa', `<source dev='/dev/vhost-vdpa-0'/>`), []],
];

const nvme = (content: string): string => `<disk type='nvme'>${content}</disk>`;
const disks: readonly Row[] = [
  [
    'an NVMe disk',
    nvme(source(pci(1), "type='pci' managed='yes' namespace='1'")),
    [{ kind: 'nvme', address: GPU, managed: true, namespace: 1 }],
  ],
  [
    'an NVMe disk without namespace and managed',
    nvme(source(pci(1), "type='pci'")),
    [{ kind: 'nvme', address: GPU, managed: false }],
  ],
  [
    'the largest namespace',
    nvme(source(pci(1), "type='pci' namespace='4294967295'")),
    [{ kind: 'nvme', address: GPU, managed: false, namespace: 4294967295 }],
  ],
  [
    'a mirror',
    `<disk type='file'><source file='/a'/><mirror type='nvme' job='copy'>${source(pci(1), "type='pci'")}</mirror></disk>`,
    [{ kind: 'nvme', address: GPU, managed: false }],
  ],
  [
    'a backing store of a backing store',
    `<disk type='file'><source file='/a'/><backingStore type='file'><source file='/b'/><backingStore type='nvme'>${source(pci(1), "type='pci'")}<backingStore/></backingStore></backingStore></disk>`,
    [{ kind: 'nvme', address: GPU, managed: false }],
  ],
  [
    'a data file',
    `<disk type='file'><source file='/a'><dataStore type='nvme'>${source(pci(1), "type='pci'")}</dataStore></source></disk>`,
    [{ kind: 'nvme', address: GPU, managed: false }],
  ],
  ['no file', `<disk type='file'><source file='/a'/><address type='pci' ${pci(1)}/></disk>`, []],
  [
    'no block device of an NVMe disk that stays with the host',
    `<disk type='block'><source dev='/dev/nvme0n1'/></disk>`,
    [],
  ],
];

for (const [folder, rows] of [
  ['<hostdev>', hostdevs],
  ['<interface>', interfaces],
  ['<disk>', disks],
] as const) {
  describe(`${folder} assigns`, () => {
    for (const [title, devices, expected] of rows) {
      it(title, () => {
        assert.deepEqual(found(guest(devices)), expected);
      });
    }
  });
}

describe('a form that cannot be read is refused', () => {
  const refused: readonly (readonly [title: string, devices: string, message: string])[] = [
    ['a hostdev without type', '<hostdev/>', "<hostdev> 1 has no type, expected type='pci' or another"],
    [
      'a hostdev of an unknown mode',
      "<hostdev mode='x' type='pci'/>",
      '<hostdev> 1 has mode="x", expected "subsystem" or "capabilities"',
    ],
    [
      'the second hostdev, by its number',
      `${hostdev(pci(1))}${hostdev("bus='zz'")}`,
      'the bus in the source address of <hostdev> 2 is "zz", expected 0 to 0xff',
    ],
    ['an empty hostdev', "<hostdev type='pci'/>", '<hostdev> 1 has no <source>, expected exactly one'],
    [
      'managed that is neither',
      hostdev(pci(1), "type='pci' managed='maybe'"),
      '<hostdev> 1 has managed="maybe", expected "yes" or "no"',
    ],
    [
      'a mediated device without uuid',
      hostdev('', "type='mdev'"),
      'the uuid in the source address of <hostdev> 1 is "", expected 8-4-4-4-12 digits',
    ],
    [
      'a mediated device with another uuid',
      hostdev("uuid='1'", "type='mdev'"),
      'the uuid in the source address of <hostdev> 1 is "1", expected 8-4-4-4-12 digits',
    ],
    [
      'a virtual function without source',
      interfaceOf('hostdev', ''),
      '<interface> 1 has no <source>, expected exactly one',
    ],
    [
      'two choices from a pool',
      interfaceOf('network', '<actual/><actual/>'),
      '<interface> 1 has 2 <actual>, expected at most one',
    ],
    [
      'a choice without address',
      interfaceOf('network', "<actual type='hostdev'><source/></actual>"),
      'the <source> of the <actual> of <interface> 1 has no <address>, expected exactly one',
    ],
    [
      'an NVMe disk of another source',
      nvme(source(pci(1), "type='usb'")),
      'the <source> of <disk> 1 has type="usb", expected type=\'pci\'',
    ],
    [
      'an NVMe disk without source type',
      nvme(source(pci(1))),
      "the <source> of <disk> 1 has no type, expected type='pci'",
    ],
    [
      'namespace 0',
      nvme(source(pci(1), "type='pci' namespace='0'")),
      'the namespace in the <source> of <disk> 1 is "0", expected 1 to 4294967295',
    ],
    [
      'a namespace in hexadecimal',
      nvme(source(pci(1), "type='pci' namespace='0x1'")),
      'the namespace in the <source> of <disk> 1 is "0x1", expected 1 to 4294967295',
    ],
    [
      'a namespace over 32 bits',
      nvme(source(pci(1), "type='pci' namespace='4294967296'")),
      'the namespace in the <source> of <disk> 1 is "4294967296", expected 1 to 4294967295',
    ],
    [
      'managed of an NVMe source that is neither',
      nvme(source(pci(1), "type='pci' managed='1'")),
      'the <source> of <disk> 1 has managed="1", expected "yes" or "no"',
    ],
    [
      'a backing store, by its place',
      `<disk type='file'><backingStore type='nvme'/></disk>`,
      'the <backingStore> of <disk> 1 has no <source>, expected exactly one',
    ],
  ];
  for (const [title, devices, message] of refused) {
    it(title, () => {
      assert.equal(
        refusalOf(() => found(guest(devices))),
        message,
      );
    });
  }
});
