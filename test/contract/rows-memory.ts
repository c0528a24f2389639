import type { Fact, Operation, Row, Step } from './contract.ts';

const pool = '/sys/kernel/mm/hugepages/hugepages-2048kB';
const ofNode = '/sys/devices/system/node/node0/hugepages/hugepages-2048kB';

const set = (data: string, directory = pool): Operation => ({ write: `${directory}/nr_hugepages`, data });
const reads = (file: 'nr' | 'free' | 'resv' | 'surplus', is: number, directory = pool): Fact => ({
  text: `${directory}/${file}_hugepages`,
  is: String(is),
});
/** All pages, those that are free, promised, and only lent to the pool. */
const has = (nr: number, free: number, resv: number, surplus: number): Fact[] => [
  reads('nr', nr),
  reads('free', free),
  reads('resv', resv),
  reads('surplus', surplus),
];
const six: Operation = { mapPages: 6, touched: 4, as: 'a' };
const step = (operation: Operation, ...after: readonly Fact[]): Step => ({ operation, expect: 'ok', after });

/** Pools of huge pages: rows 71 to 77, with one node. */
export const memoryRows: readonly Row[] = [
  {
    id: '71',
    name: 'a pool grows and shrinks to the number that is written, in the same way for its only node',
    setup: [],
    operation: set('8\n'),
    expect: 'ok',
    after: [...has(8, 8, 0, 0), reads('nr', 8, ofNode), reads('free', 8, ofNode)],
    then: [
      step(set('3', ofNode), ...has(3, 3, 0, 0), reads('nr', 3, ofNode)),
      step(set('0'), ...has(0, 0, 0, 0)),
    ],
  },
  ...(
    [
      ['0x10', 'EINVAL', 'a number in hexadecimal'],
      ['-1', 'EINVAL', 'a negative number'],
      ['x', 'EINVAL', 'a word'],
      ['8 8', 'EINVAL', 'two numbers'],
      ['99999999999999999999999', 'ERANGE', 'more than a long'],
      ['010', 'ok', 'ten with a zero before it'],
    ] as const
  ).map(([data, expect, what], index): Row => ({
    id: `72${'abcdef'[index] ?? ''}`,
    name: `nr_hugepages takes ${what}: ${expect}`,
    setup: [],
    operation: set(data),
    expect,
    after: [reads('nr', expect === 'ok' ? 10 : 0)],
  })),
  {
    id: '73',
    name: 'pages that a process maps are promised to it, and in use once it touches them',
    setup: [set('8')],
    operation: { mapPages: 6, touched: 0, as: 'a' },
    expect: 'ok',
    after: has(8, 8, 6, 0),
    then: [
      { operation: { mapPages: 3, touched: 0, as: 'b' }, expect: 'ENOMEM', after: has(8, 8, 6, 0) },
      step({ unmapPages: 'a' }, ...has(8, 8, 0, 0)),
      step(six, ...has(8, 4, 2, 0)),
    ],
  },
  {
    id: '74',
    name: 'below what is in use or promised a pool shrinks only as they get free: until then they are lent to it',
    setup: [set('8'), six],
    operation: set('2'),
    expect: 'ok',
    after: has(6, 2, 2, 4),
    then: [step({ unmapPages: 'a' }, ...has(2, 2, 0, 0))],
  },
  {
    id: '75',
    name: 'nothing is left of them when all were lent',
    setup: [set('8'), six, set('0')],
    operation: { unmapPages: 'a' },
    expect: 'ok',
    after: has(0, 0, 0, 0),
  },
  {
    id: '76',
    name: 'a pool that grows keeps what was lent to it before it makes new pages',
    setup: [set('8'), six, set('2')],
    operation: set('7', ofNode),
    expect: 'ok',
    after: [...has(7, 3, 2, 0), reads('surplus', 0, ofNode)],
  },
  {
    id: '77a',
    name: 'memory is compacted by a 1, and nothing can be read of it',
    setup: [],
    operation: { write: '/proc/sys/vm/compact_memory', data: '1\n' },
    expect: 'ok',
    then: [{ operation: { read: '/proc/sys/vm/compact_memory' }, expect: 'EACCES' }],
  },
  ...(
    [
      ['77b', '2', ['6.12', '7.2'], 'EINVAL', 'not by another number'],
      ['77d', 'x', ['6.12', '7.2'], 'EINVAL', 'nor by a word'],
      ['77e', 'x', ['6.1'], 'ok', 'before 6.4 by whatever is written'],
    ] as const
  ).map(([id, data, kernels, expect, name]): Row => ({
    id,
    name,
    kernels,
    setup: [],
    operation: { write: '/proc/sys/vm/compact_memory', data },
    expect,
  })),
  {
    id: '77c',
    name: 'the memory of a node by whatever is written',
    setup: [],
    operation: { write: '/sys/devices/system/node/node0/compact', data: 'x' },
    expect: 'ok',
    then: [{ operation: { read: '/sys/devices/system/node/node0/compact' }, expect: 'EACCES' }],
  },
];
