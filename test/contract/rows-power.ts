import type { Row, Step } from './contract.ts';
import { driver, reads, set, unbind } from './words.ts';

/** Both cards behind the bridge are found in their order, as at boot: that brings the first one's methods back. */
const foundAgain: readonly Step[] = [
  { operation: set('bridge', 'remove', '1'), expect: 'ok' },
  {
    operation: { write: '/sys/bus/pci/rescan', data: '1' },
    expect: 'ok',
    after: [reads('bridgeNic', 'reset_method', 'bus'), driver('bridgeNic', 'e1000')],
  },
];

/** Reset and power: rows 52 to 55. */
export const powerRows: readonly Row[] = [
  ...(
    [
      ['2', 'EINVAL'],
      ['x', 'EINVAL'],
      ['1', 'ENOTTY'],
    ] as const
  ).map(([data, expect], index): Row => ({
    id: `52${'abc'[index] ?? ''}`,
    name: `reset ${data} with every method off is ${expect}`,
    setup: [set('nic', 'reset_method', '\n')],
    operation: set('nic', 'reset', data),
    expect,
  })),
  {
    id: '53a',
    name: 'an unknown reset method is EINVAL and changes nothing',
    setup: [],
    operation: set('nic', 'reset_method', 'bogus'),
    expect: 'EINVAL',
    after: [reads('nic', 'reset_method', 'pm bus')],
  },
  {
    id: '53b',
    name: 'an empty line switches every reset method off, default restores them',
    setup: [],
    operation: set('nic', 'reset_method', '\n'),
    expect: 'ok',
    after: [reads('nic', 'reset_method', '')],
    then: [
      {
        operation: set('nic', 'reset_method', 'default\n'),
        expect: 'ok',
        after: [reads('nic', 'reset_method', 'pm bus')],
      },
      { operation: set('nic', 'reset', '1'), expect: 'ok' },
    ],
  },
  {
    id: '53c',
    name: 'default is what works now: a device with siblings loses bus, which no write brings back',
    setup: [],
    operation: set('bridgeNic', 'reset_method', 'default\n'),
    expect: 'ok',
    after: [reads('bridgeNic', 'reset_method', '')],
    then: [
      { operation: set('bridgeNic', 'reset_method', 'bus'), expect: 'EINVAL' },
      { operation: set('bridgeNic', 'reset', '1'), expect: 'ENOTTY' },
      ...foundAgain,
    ],
  },
  {
    id: '53d',
    name: 'a device whose only method is bus has no reset files when it is found beside a sibling',
    setup: [set('bridgeNic', 'remove', '1')],
    operation: { write: '/sys/bus/pci/rescan', data: '1' },
    expect: 'ok',
    after: [
      { exists: '{dev bridgeNic}/reset_method', is: false },
      { exists: '{dev bridgeNic}/reset', is: false },
    ],
    then: foundAgain,
  },
  {
    id: '53e',
    name: 'a bridge does not reset itself through the bus above',
    setup: [],
    operation: set('bridge', 'reset_method', 'bus'),
    expect: 'EINVAL',
    after: [reads('bridge', 'reset_method', 'pm bus')],
  },
  {
    id: '53f',
    name: 'a card with virtual functions is not alone on its bus: bus is EINVAL, and not in the default',
    setup: [set('igb', 'sriov_numvfs', '2')],
    operation: set('igb', 'reset_method', 'flr bus'),
    expect: 'EINVAL',
    after: [reads('igb', 'reset_method', 'flr pm bus')],
    then: [
      {
        operation: set('igb', 'reset_method', 'default\n'),
        expect: 'ok',
        after: [reads('igb', 'reset_method', 'flr pm')],
      },
      { operation: set('igb', 'sriov_numvfs', '0'), expect: 'ok' },
      {
        operation: set('igb', 'reset_method', 'default\n'),
        expect: 'ok',
        after: [reads('igb', 'reset_method', 'flr pm bus')],
      },
    ],
  },
  {
    id: '54',
    name: 'enable is EBUSY while a driver is bound, EIO when it is off',
    setup: [],
    operation: set('nic', 'enable', '0'),
    expect: 'EBUSY',
    then: [
      { operation: unbind('e1000e', 'nic'), expect: 'ok' },
      { operation: set('nic', 'enable', '0'), expect: 'EIO' },
      { operation: set('nic', 'enable', '1'), expect: 'ok', after: [reads('nic', 'enable', '1')] },
    ],
  },
  {
    id: '55',
    name: 'power/control and d3cold_allowed refuse other words',
    setup: [],
    operation: set('nic', 'power/control', 'xyz'),
    expect: 'EINVAL',
    then: [
      { operation: set('nic', 'd3cold_allowed', 'x'), expect: 'EINVAL' },
      {
        operation: set('nic', 'd3cold_allowed', '0\n'),
        expect: 'ok',
        after: [reads('nic', 'd3cold_allowed', '0')],
      },
    ],
  },
  ...(
    [
      ['nic', '1'],
      ['rebar', '0'],
    ] as const
  ).map(([role, is], index): Row => ({
    id: `55${'bc'[index] ?? ''}`,
    name: `d3cold is ${is === '1' ? 'allowed with' : 'off without'} the power management capability when a device is found`,
    setup: [set(role, 'remove', '1')],
    operation: { write: '/sys/bus/pci/rescan', data: '1' },
    expect: 'ok',
    after: [reads(role, 'd3cold_allowed', is)],
  })),
];
