import assert from 'node:assert/strict';
import type { JournalEntry } from '../../../simulator/state.ts';
import { eventLines } from '../../../src/cli/render/life.ts';

describe('eventLines', () => {
  const rows: readonly (readonly [Pick<JournalEntry, 'operation' | 'path' | 'value'>, string | undefined])[] =
    [
      [{ operation: 'write', path: '/sys/a', value: '1\n' }, 'echo 1 > /sys/a'],
      [{ operation: 'write', path: '/sys/a', value: '\n' }, 'echo > /sys/a'],
      [{ operation: 'load', path: 'vfio-pci', value: '' }, 'load vfio-pci'],
      [{ operation: 'run', path: 'systemctl', value: 'stop -- a.service' }, 'systemctl stop -- a.service'],
      [{ operation: 'run', path: 'systemctl', value: 'show --property=LoadState -- a.service' }, undefined],
    ];
  for (const [entry, line] of rows) {
    it(`${line === undefined ? 'leaves out' : 'shows'} ${entry.operation} ${entry.value.trim() || entry.path}`, () => {
      const whole: JournalEntry = { id: 1, pid: 1, at: 0, result: 'ok', took: 2.4, ...entry };
      const expected = line === undefined ? [] : [`  ${line.padEnd(74)} ok (2 ms)`];
      assert.deepEqual(eventLines([whole]), expected);
    });
  }
});
