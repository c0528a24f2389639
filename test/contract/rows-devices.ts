import type { Row } from './contract.ts';
import { bind, driver, open, override, overrideIs, probe, reads, set, toVfio, unbind } from './words.ts';

const twoVfs = [set('igb', 'sriov_numvfs', '2')];
const vfHeld = [...twoVfs, override('vf0', 'vfio-pci'), probe('vf0'), open('a', 'vf0')];

/** SR-IOV, removing and finding devices: rows 14, 25 to 27, 42 to 51. */
export const deviceRows: readonly Row[] = [
  {
    id: '14',
    name: 'vfio-pci refuses a physical function with virtual ones',
    setup: twoVfs,
    operation: override('igb', 'vfio-pci'),
    expect: 'ok',
    then: [{ operation: bind('vfio-pci', 'igb'), expect: 'EBUSY', after: [driver('igb', 'igb')] }],
  },
  ...(
    [
      ['25', 'drivers_probe leaves a VF alone where sriov_drivers_autoprobe is off', [], null],
      ['26', 'unless it has an override', [override('vf0', 'vfio-pci')], 'vfio-pci'],
    ] as const
  ).map(([id, name, more, is]): Row => ({
    id,
    name,
    setup: [{ load: 'igbvf' }, set('igb', 'sriov_drivers_autoprobe', '0'), ...twoVfs, ...more],
    operation: probe('vf0'),
    expect: 'ok',
    after: [driver('vf0', is)],
  })),
  {
    id: '27',
    name: 'and so does bind, with ENODEV',
    setup: [{ load: 'igbvf' }, set('igb', 'sriov_drivers_autoprobe', '0'), ...twoVfs],
    operation: bind('igbvf', 'vf0'),
    expect: 'ENODEV',
    after: [driver('vf0', null)],
  },
  ...(
    [
      ['99', 'ERANGE'],
      ['70000', 'EINVAL'],
      ['-1', 'EINVAL'],
      ['x', 'EINVAL'],
    ] as const
  ).map(([data, expect], index): Row => ({
    id: `42${'abcd'[index] ?? ''}`,
    name: `sriov_numvfs ${data} is ${expect}`,
    setup: [],
    operation: set('igb', 'sriov_numvfs', data),
    expect,
    after: [reads('igb', 'sriov_numvfs', '0')],
  })),
  {
    id: '43',
    name: 'the number of VFs that is there already is a success, whoever holds the device',
    setup: [unbind('igb', 'igb')],
    operation: set('igb', 'sriov_numvfs', '0'),
    expect: 'ok',
  },
  {
    id: '43b',
    name: 'a new VF has its BARs, ones for ids, and d3cold off for want of power management',
    setup: [],
    operation: set('igb', 'sriov_numvfs', '2'),
    expect: 'ok',
    after: [
      { barSize: 'vf0', bar: 0, is: 16384 },
      { barSize: 'vf1', bar: 3, is: 16384 },
      reads('vf0', 'd3cold_allowed', '0'),
      // Its ids are ones in its configuration space; what the kernel shows of them is made from its card's.
      { bytes: '{dev vf0}/config', length: 4, is: 'ffffffff' },
      reads('vf0', 'vendor', '0x8086'),
    ],
  },
  {
    id: '44',
    name: 'from one number of VFs to another only through 0',
    setup: twoVfs,
    operation: set('igb', 'sriov_numvfs', '3'),
    expect: 'EBUSY',
    after: [reads('igb', 'sriov_numvfs', '2'), { link: '{dev igb}/virtfn0', is: '0000:02:10.0' }],
  },
  {
    id: '45a',
    name: 'a driverless card makes no VFs',
    setup: [unbind('igb', 'igb')],
    operation: set('igb', 'sriov_numvfs', '2'),
    expect: 'ENOENT',
    after: [reads('igb', 'sriov_numvfs', '0')],
  },
  {
    id: '45b',
    name: 'nor does vfio-pci with enable_sriov off',
    setup: toVfio('igb', 'igb'),
    operation: set('igb', 'sriov_numvfs', '2'),
    expect: 'ENOENT',
  },
  {
    id: '46',
    name: 'with enable_sriov on it does, and they are on vfio-pci with an override',
    setup: [{ write: '/sys/module/vfio_pci/parameters/enable_sriov', data: 'Y' }, ...toVfio('igb', 'igb')],
    operation: set('igb', 'sriov_numvfs', '2'),
    expect: 'ok',
    after: [driver('vf0', 'vfio-pci'), overrideIs('vf1', 'vfio-pci')],
  },
  {
    id: '47',
    name: 'taking away a VF that a guest has waits, and so does reading their number and rescanning',
    setup: vfHeld,
    operation: set('igb', 'sriov_numvfs', '0'),
    expect: 'blocks',
    then: [
      { operation: { read: '{dev igb}/sriov_numvfs' }, expect: 'blocks' },
      { operation: unbind('igb', 'igb'), expect: 'blocks' },
      { operation: { write: '/sys/bus/pci/rescan', data: '1' }, expect: 'blocks' },
      {
        operation: { closeGroup: 'a' },
        expect: 'ok',
        after: [reads('igb', 'sriov_numvfs', '0'), { exists: '{dev vf0}', is: false }, driver('igb', null)],
      },
    ],
  },
  {
    id: '48',
    name: 'unbinding igb takes its VFs away',
    setup: twoVfs,
    operation: unbind('igb', 'igb'),
    expect: 'ok',
    after: [{ exists: '{dev vf0}', is: false }, { exists: '{dev vf1}', is: false }, driver('igb', null)],
  },
  {
    id: '49',
    name: 'removing a device that a guest has waits with the bus locked',
    setup: [...toVfio('nic', 'e1000e'), open('a', 'nic')],
    operation: set('nic', 'remove', '1'),
    expect: 'blocks',
    then: [
      { operation: { write: '/sys/bus/pci/rescan', data: '1' }, expect: 'blocks' },
      { operation: set('igb', 'sriov_numvfs', '2'), expect: 'blocks' },
      { operation: unbind('nvme', 'nvme'), expect: 'ok' },
      {
        operation: { closeGroup: 'a' },
        expect: 'ok',
        after: [driver('nic', 'e1000e'), overrideIs('nic', '(null)'), { exists: '{dev vf0}', is: true }],
      },
    ],
  },
  {
    id: '50',
    name: 'a removed device is gone, and a file of it that was open answers ENODEV',
    setup: [{ keepOpen: '{dev nic}/driver_override', as: 'override' }],
    operation: set('nic', 'remove', '1'),
    expect: 'ok',
    after: [{ exists: '{dev nic}', is: false }],
    then: [
      { operation: { writeOpen: 'override', data: 'vfio-pci' }, expect: 'ENODEV' },
      { operation: override('nic', 'vfio-pci'), expect: 'ENOENT' },
      { operation: bind('e1000e', 'nic'), expect: 'ENODEV' },
    ],
  },
  ...(
    [
      ['x', 'EINVAL'],
      ['0', 'ok'],
    ] as const
  ).map(([data, expect], index): Row => ({
    id: `51${'ab'[index] ?? ''}`,
    name: `rescan ${data} finds nothing`,
    setup: [set('nic', 'remove', '1')],
    operation: { write: '/sys/bus/pci/rescan', data },
    expect,
    after: [{ exists: '{dev nic}', is: false }],
  })),
  {
    id: '51c',
    name: 'a device that is found again has no override and is on its host driver',
    setup: [override('nic', 'vfio-pci'), set('nic', 'remove', '1')],
    operation: { write: '/sys/bus/pci/rescan', data: '1' },
    expect: 'ok',
    after: [overrideIs('nic', '(null)'), driver('nic', 'e1000e')],
  },
  ...(
    [
      ['51d', ['6.1', '6.12'], 'e1000e'],
      ['51e', ['7.2'], null],
    ] as const
  ).map(([id, kernels, is]): Row => ({
    id,
    name: `with drivers_autoprobe off it is ${is === null ? 'driverless' : 'bound all the same'}`,
    kernels,
    setup: [{ write: '/sys/bus/pci/drivers_autoprobe', data: '0' }, set('nic', 'remove', '1')],
    operation: { write: '/sys/bus/pci/rescan', data: '1' },
    expect: 'ok',
    after: [driver('nic', is)],
  })),
  {
    id: '51f',
    name: 'removing a bridge removes what is behind it, and all of it is found again',
    setup: [set('bridge', 'remove', '1')],
    operation: { write: '/sys/bus/pci/rescan', data: '1' },
    expect: 'ok',
    after: [driver('bridgeNic', 'e1000'), driver('bridgeAudio', 'snd_intel8x0')],
  },
];
