import assert from 'node:assert/strict';
import { inconsistencies } from './consistency.ts';
import type { MachineState } from '../../simulator/state.ts';
import { example, radeon } from './machines.ts';

describe('inconsistencies', () => {
  it('are none on a fresh machine', () => {
    assert.deepEqual(inconsistencies(example('amd-rdna3-desktop').state()), []);
  });

  const rows: readonly (readonly [string, (state: MachineState) => void])[] = [
    [
      '0000:03:00.0 is bound to ghost, which is not there',
      (state) => Object.assign(state.devices[radeon.gpu]!, { driver: 'ghost' }),
    ],
    [
      '0000:03:00.0 has a driver link without a driver',
      (state) => {
        delete state.devices[radeon.gpu]!.driver;
      },
    ],
    [
      '0000:0f:00.3 is in a group that is not there',
      (state) => {
        delete state.groups['22'];
      },
    ],
    ['group 99 is empty', (state) => Object.assign(state.groups, { 99: { number: 99, type: 'DMA' } })],
    [
      '0000:03:00.0 is open in a guest without a vfio driver',
      (state) => {
        state.processes.push({ pid: 7, startTime: 0, name: 'qemu' });
        state.devices[radeon.gpu]!.users.push(7);
      },
    ],
    [
      'group 16 is owned by a guest while a native driver has a member',
      (state) => Object.assign(state.groups['16']!, { ownedBy: 7 }),
    ],
    [
      '0000:03:00.1 is behind 0000:02:00.0, which is not there',
      (state) => {
        delete state.devices['0000:02:00.0'];
        delete state.devices['0000:03:00.0'];
        delete state.groups['15'];
      },
    ],
    [
      'the lock device 3 has no holder',
      (state) => Object.assign(state.locks, { 'device 3': { holder: 1, queue: [] } }),
    ],
    [
      '0000:03:00.0 BAR 2 overlaps 0000:03:00.0 BAR 0',
      (state) => {
        const [first, second] = state.devices[radeon.gpu]!.bars;
        second!.start = first!.start;
      },
    ],
    [
      '0000:03:00.0 has a BAR that is not aligned to its size',
      (state) => {
        state.devices[radeon.gpu]!.bars.find((bar) => bar.index === 5)!.start += 16;
      },
    ],
    [
      '0000:03:00.0 BAR 0 is outside the window of the bridge above it',
      (state) => {
        delete state.devices['0000:02:00.0']!.window;
      },
    ],
  ];
  for (const [sentence, spoil] of rows) {
    it(`say: ${sentence}`, () => {
      const state = example('amd-rdna3-desktop').state();
      spoil(state);
      assert.ok(inconsistencies(state).includes(sentence), inconsistencies(state).join('\n'));
    });
  }
});
