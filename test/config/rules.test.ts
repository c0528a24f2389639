import assert from 'node:assert/strict';
import type { DeviceRule } from '../../src/config/config.ts';
import { parseDeviceMatch } from '../../src/config/match.ts';
import { ruleFor } from '../../src/config/rules.ts';
import type { UseReason } from '../../src/pci/use.ts';
import { parsePciAddress } from '../../src/pci/address.ts';

const gpu = { address: parsePciAddress('03:00.0')!, vendor: '1002', device: '744c', class: '030000' };

function rule(match: string, bars: Record<number, number> = {}, driver?: string): DeviceRule {
  const sizes = new Map(Object.entries(bars).map(([index, bytes]) => [Number(index), bytes]));
  return { match: parseDeviceMatch(match)!, bars: sizes, ...(driver !== undefined && { driver }) };
}

describe('ruleFor', () => {
  const table: [sentence: string, rules: DeviceRule[], bars: [number, number][], driver?: string][] = [
    ['has nothing to say without rules', [], []],
    [
      'has nothing to say about other devices',
      [rule('0000:04:00.0', { 0: 1 }, 'x'), rule('1002:744d', { 0: 1 }), rule('nvme', { 0: 1 })],
      [],
    ],
    ['takes a rule by address', [rule('03:00.0', { 0: 5 }, 'a')], [[0, 5]], 'a'],
    ['takes a rule by vendor and device', [rule('1002:744C', { 1: 6 })], [[1, 6]]],
    ['takes a rule by class', [rule('vga', {}, 'b')], [], 'b'],
    [
      'joins the BARs of several rules',
      [rule('vga', { 0: 1 }), rule('03:00.0', { 2: 3 })],
      [
        [0, 1],
        [2, 3],
      ],
    ],
    [
      'lets a later rule win BAR by BAR',
      [rule('vga', { 0: 1, 2: 2 }), rule('display', { 2: 9 })],
      [
        [0, 1],
        [2, 9],
      ],
    ],
    [
      'lets a later rule win although it says less',
      [rule('03:00.0', { 0: 1 }, 'a'), rule('vga', { 0: 2 })],
      [[0, 2]],
      'a',
    ],
    ['lets a later driver win', [rule('vga', {}, 'a'), rule('vga', {}, 'b'), rule('nvme', {}, 'c')], [], 'b'],
  ];
  for (const [sentence, devices, bars, driver] of table) {
    it(sentence, () => {
      assert.deepEqual(ruleFor({ devices }, gpu), {
        bars: new Map(bars),
        ...(driver !== undefined && { driver }),
      });
    });
  }

  const allowing = (match: string, ...allow: readonly UseReason[]): DeviceRule => ({ ...rule(match), allow });
  const allowed: [sentence: string, rules: DeviceRule[], allow: UseReason[] | undefined][] = [
    ['allows nothing without rules', [rule('03:00.0')], undefined],
    [
      'allows what a rule for the device allows',
      [allowing('03:00.0', 'held', 'console')],
      ['held', 'console'],
    ],
    ['allows what a rule for the model allows', [allowing('1002:744c', 'held'), rule('vga')], ['held']],
    [
      'allows nothing for another device',
      [allowing('04:00.0', 'held'), allowing('1002:ab30', 'held')],
      undefined,
    ],
    [
      'lets a later rule allow something else',
      [allowing('1002:744c', 'held'), allowing('03:00.0', 'ssh')],
      ['ssh'],
    ],
    ['lets a later rule take it back', [allowing('03:00.0', 'held'), allowing('03:00.0')], []],
  ];
  for (const [sentence, devices, allow] of allowed) {
    it(sentence, () => {
      assert.deepEqual(ruleFor({ devices }, gpu).allow, allow);
    });
  }

  it('lets a later rule win for reset, power and d3cold, each by itself, also with none and false', () => {
    const devices: DeviceRule[] = [
      { ...rule('vga'), reset: ['flr'], power: 'on', d3cold: true },
      { ...rule('03:00.0'), reset: [], d3cold: false },
      { ...rule('nvme'), power: 'auto' },
    ];
    assert.deepEqual(ruleFor({ devices }, gpu), {
      bars: new Map(),
      reset: [],
      power: 'on',
      d3cold: false,
    });
  });

  it('lets a later rule win for all that is done between', () => {
    const devices: DeviceRule[] = [
      { ...rule('vga'), between: [{ do: 'reset' }, { do: 'power', to: 'on' }] },
      { ...rule('03:00.0'), between: [{ do: 'script', name: 'wake.sh' }] },
      rule('1002:744c'),
    ];
    assert.deepEqual(ruleFor({ devices }, gpu).between, [{ do: 'script', name: 'wake.sh' }]);
  });

  it('does not change the rules', () => {
    const devices = [rule('vga', { 0: 1 }), rule('vga', { 0: 2 })];
    ruleFor({ devices }, gpu);
    assert.equal(devices[0]?.bars.get(0), 1);
  });
});
