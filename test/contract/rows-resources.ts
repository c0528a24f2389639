import type { Row } from './contract.ts';
import { driver, override, probe, reads, set, toVfio, unbind } from './words.ts';

const MIB = 2 ** 20;
const resize = (data: string): Row['operation'] => set('rebar', 'resource2_resize', data);
const size = (bytes: number): NonNullable<Row['after']>[number] => ({ barSize: 'rebar', bar: 2, is: bytes });
const mdev = '/sys/class/mdev_bus/labvgpu0/mdev_supported_types/labvgpu-1';
const uuid = (digit: number): string => `83b8f4f2-509f-382f-3c1e-e6bfe0fa100${digit}`;

/** Resizable BARs, mediated devices and disks: rows 63 to 70. */
export const resourceRows: readonly Row[] = [
  {
    id: '63',
    name: 'a BAR cannot be resized while a driver is bound, vfio-pci neither',
    setup: toVfio('rebar'),
    operation: resize('9'),
    expect: 'EBUSY',
    after: [size(256 * MIB)],
  },
  ...(
    [
      ['3', 'a size that the device does not offer'],
      ['31', 'a size beyond the specification'],
      ['junk', 'a word'],
      ['08', 'an octal number with the digit 8'],
      ['-1', 'a negative number'],
      ['\n', 'an empty line'],
      ['9 9', 'two numbers'],
      ['12abc', 'a number with letters behind it'],
    ] as const
  ).map(([data, what], index): Row => ({
    id: `64${'abcdefgh'[index] ?? ''}`,
    name: `resize to ${what} is EINVAL`,
    setup: [],
    operation: resize(data),
    expect: 'EINVAL',
    after: [size(256 * MIB)],
  })),
  {
    id: '65',
    name: 'a window that a sibling holds cannot grow: ENOSPC, the old size is restored',
    boot: 'rebar-pair',
    kernels: ['6.12', '7.2'],
    setup: [],
    operation: resize('10'),
    expect: 'ENOSPC',
    after: [size(256 * MIB), { barSize: 'rebarSibling', bar: 2, is: 256 * MIB }],
    then: [
      { operation: resize('6'), expect: 'ok', after: [size(64 * MIB)] },
      { operation: resize('8'), expect: 'ok', after: [size(256 * MIB)] },
      { operation: override('rebar', 'vfio-pci'), expect: 'ok' },
      { operation: probe('rebar'), expect: 'ok', after: [driver('rebar', 'vfio-pci')] },
    ],
  },
  {
    id: '65b',
    name: 'beside a sibling in the same window no size can be set: ENOENT, the old one stays',
    boot: 'rebar-pair',
    kernels: ['6.1'],
    setup: [],
    operation: resize('10'),
    expect: 'ENOENT',
    after: [size(256 * MIB), { barSize: 'rebarSibling', bar: 2, is: 256 * MIB }],
    then: [
      { operation: resize('6'), expect: 'ENOENT', after: [size(256 * MIB)] },
      { operation: override('rebar', 'vfio-pci'), expect: 'ok' },
      { operation: probe('rebar'), expect: 'ok', after: [driver('rebar', 'vfio-pci')] },
    ],
  },
  {
    id: '66',
    name: 'firmware that keeps its addresses: errno 524',
    boot: 'firmware-keeps-bars',
    setup: [],
    operation: resize('9'),
    expect: 'ENOTSUPP',
    after: [size(256 * MIB)],
  },
  {
    id: '67a',
    name: 'a BAR grows and shrinks while no driver is bound',
    setup: [],
    operation: resize('9\n'),
    expect: 'ok',
    after: [size(512 * MIB), reads('rebar', 'resource2_resize', '0000000000007fc0')],
    then: [
      { operation: resize('14'), expect: 'ok', after: [size(16384 * MIB)] },
      { operation: resize('0xa'), expect: 'ok', after: [size(1024 * MIB)] },
      { operation: resize('10'), expect: 'ok', after: [size(1024 * MIB)] },
      { operation: resize('6'), expect: 'ok', after: [size(64 * MIB)] },
    ],
  },
  {
    id: '67b',
    name: 'the size outlives a reset, and remove and rescan',
    setup: [resize('10'), set('rebar', 'reset', '1')],
    operation: set('rebar', 'remove', '1'),
    expect: 'ok',
    then: [
      { operation: { write: '/sys/bus/pci/rescan', data: '1' }, expect: 'ok', after: [size(1024 * MIB)] },
      { operation: resize('8'), expect: 'ok', after: [size(256 * MIB)] },
    ],
  },
  {
    id: '67c',
    name: 'decoding that was switched on by hand does not hinder it',
    setup: [set('rebar', 'enable', '1')],
    operation: resize('9'),
    expect: 'ok',
    after: [size(512 * MIB)],
  },
  {
    id: '68',
    name: 'mediated devices: what is no UUID, twice, one too many',
    setup: [1, 2, 3].map((digit) => ({ write: `${mdev}/create`, data: uuid(digit) })),
    operation: { write: `${mdev}/create`, data: uuid(4) },
    expect: 'ok',
    after: [
      { text: `${mdev}/available_instances`, is: '0' },
      { exists: `/sys/bus/mdev/devices/${uuid(4)}`, is: true },
    ],
    then: [
      { operation: { write: `${mdev}/create`, data: uuid(5) }, expect: 'EUSERS' },
      { operation: { write: `${mdev}/create`, data: uuid(1) }, expect: 'EEXIST' },
      { operation: { write: `${mdev}/create`, data: 'junk' }, expect: 'EINVAL' },
      {
        operation: { write: `/sys/bus/mdev/devices/${uuid(1)}/remove`, data: '1' },
        expect: 'ok',
        after: [{ text: `${mdev}/available_instances`, is: '1' }],
      },
    ],
  },
  {
    id: '68b',
    name: 'a mediated device that is open leaves its bus at once, and its instance is free when it is closed',
    setup: [
      { write: `${mdev}/create`, data: uuid(1) },
      { openMdev: uuid(1), guest: 'a' },
    ],
    operation: { write: `/sys/bus/mdev/devices/${uuid(1)}/remove`, data: '1' },
    expect: 'blocks',
    after: [
      { exists: `/sys/bus/mdev/devices/${uuid(1)}`, is: false },
      { text: `${mdev}/available_instances`, is: '3' },
    ],
    then: [
      {
        operation: { killBlocked: true },
        expect: 'ok',
        after: [{ text: `${mdev}/available_instances`, is: '3' }],
      },
      { operation: { write: `${mdev}/create`, data: uuid(1) }, expect: 'EEXIST' },
      {
        operation: { closeGroup: 'a' },
        expect: 'ok',
        after: [{ text: `${mdev}/available_instances`, is: '4', soon: true }],
      },
      {
        operation: { write: `${mdev}/create`, data: uuid(1) },
        expect: 'ok',
        after: [{ exists: `/sys/bus/mdev/devices/${uuid(1)}`, is: true }],
      },
    ],
  },
  {
    id: '68c',
    name: 'a mediated device is for one guest at a time',
    setup: [
      { write: `${mdev}/create`, data: uuid(1) },
      { openMdev: uuid(1), guest: 'a' },
    ],
    operation: { openMdev: uuid(1), guest: 'b' },
    expect: 'EBUSY',
    then: [
      { operation: { closeGroup: 'a' }, expect: 'ok' },
      { operation: { openMdev: uuid(1), guest: 'b' }, expect: 'ok' },
    ],
  },
  {
    id: '68d',
    name: 'a mediated device goes by a number that is not 0',
    setup: [{ write: `${mdev}/create`, data: uuid(1) }],
    operation: { write: `/sys/bus/mdev/devices/${uuid(1)}/remove`, data: 'x' },
    expect: 'EINVAL',
    then: [
      {
        operation: { write: `/sys/bus/mdev/devices/${uuid(1)}/remove`, data: '0' },
        expect: 'ok',
        after: [{ exists: `/sys/bus/mdev/devices/${uuid(1)}`, is: true }],
      },
      {
        operation: { write: `/sys/bus/mdev/devices/${uuid(1)}/remove`, data: '2' },
        expect: 'ok',
        after: [{ exists: `/sys/bus/mdev/devices/${uuid(1)}`, is: false }],
      },
      { operation: { write: `/sys/bus/mdev/devices/${uuid(1)}/remove`, data: '1' }, expect: 'ENOENT' },
    ],
  },
  {
    id: '69',
    name: 'a disk that the host uses cannot be opened exclusively',
    boot: 'disk-in-use',
    setup: [],
    operation: { tryOpen: '/dev/nvme0n1' },
    expect: 'EBUSY',
  },
  {
    id: '70',
    name: 'the kernel does not protect a disk that the host uses',
    boot: 'disk-in-use',
    setup: [],
    operation: unbind('nvme', 'nvme'),
    expect: 'ok',
    after: [driver('nvme', null), { exists: '/dev/nvme0n1', is: false }],
  },
];
