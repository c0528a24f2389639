import assert from 'node:assert/strict';
import { advice } from '../../src/hint.ts';
import { barChanges } from '../../src/plan/bars.ts';
import { audio, gpu, MIB } from './snapshots.ts';

describe('barChanges', () => {
  it('lists the BARs that have another size than wished, and only those', () => {
    const wished = [
      { bar: 0, size: 512 * MIB },
      { bar: 2, size: 256 * MIB },
    ];
    assert.deepEqual(barChanges(gpu(), wished), {
      kind: 'changes',
      changes: [{ bar: 0, from: 256 * MIB, to: 512 * MIB }],
    });
  });

  for (const [name, device, bar, reason, hint] of [
    [
      'a size that is not offered',
      gpu(),
      2,
      'BAR 2 of 0000:03:00.0 cannot be 64 MiB',
      'it supports 8 MiB, 256 MiB',
    ],
    [
      'a BAR that cannot be resized',
      gpu(),
      5,
      'BAR 5 of 0000:03:00.0 cannot be resized',
      'resizable BARs of 0000:03:00.0: 0, 2',
    ],
    [
      'a BAR that is not there',
      gpu(),
      3,
      'BAR 3 of 0000:03:00.0 does not exist',
      'resizable BARs of 0000:03:00.0: 0, 2',
    ],
    [
      'a device without resizable BARs',
      audio(),
      0,
      'BAR 0 of 0000:03:00.1 does not exist',
      '0000:03:00.1 has no resizable BAR; check "Above 4G decoding" and "Resizable BAR" in the firmware setup, and that Linux is 6.1 or later',
    ],
  ] as const) {
    it(`refuses ${name}`, () => {
      assert.deepEqual(barChanges(device, [{ bar, size: 64 * MIB }]), {
        kind: 'refused',
        reason,
        hint: advice(hint),
      });
    });
  }
});
