import assert from 'node:assert/strict';
import { barOfCode43, isRadeonOfCode43 } from '../../src/pci/code-43.ts';
import { gpu } from '../plan/snapshots.ts';

const MIB = 2 ** 20;

describe('isRadeonOfCode43', () => {
  const rows: readonly (readonly [name: string, id: string, is: boolean])[] = [
    ['Navi 21', '73bf', true],
    ['Navi 22, an RX 6750 GRE', '73df', true],
    ['Navi 23', '73ff', true],
    ['Navi 24', '743f', true],
    ['Navi 31', '744c', true],
    ['Navi 32', '747e', true],
    ['Navi 33', '7480', true],
    ['Navi 10', '731f', false],
    ['Navi 14', '7340', false],
    ['Aldebaran', '7408', false],
    ['Aqua Vanjaram', '74a1', false],
    ['Navi 48', '7550', false],
  ];
  for (const [name, id, is] of rows) {
    it(`${name}: ${is ? 'yes' : 'no'}`, () => {
      assert.equal(isRadeonOfCode43(gpu({ vendor: '1002', device: id })), is);
    });
  }

  it('not the sound of the card, and not an id of another maker', () => {
    assert.equal(isRadeonOfCode43(gpu({ vendor: '1002', device: '73df', class: '040300' })), false);
    assert.equal(isRadeonOfCode43(gpu({ vendor: '10de', device: '73df' })), false);
  });
});

describe('barOfCode43', () => {
  const sizes = [2, 4, 8, 256].map((size) => size * MIB);
  const bar = (index: number, size: number, possible?: readonly number[]): ReturnType<typeof barOfCode43> =>
    barOfCode43(
      gpu({
        vendor: '1002',
        device: '73df',
        bars: [{ index, size: size * MIB, flags: 0, ...(possible && { sizes: possible }) }],
      }),
    );

  it('is BAR 2 while it is larger than 8 MiB and need not be', () => {
    assert.equal(bar(2, 256, sizes)?.size, 256 * MIB);
    assert.equal(bar(2, 8, sizes), undefined);
    assert.equal(bar(0, 256, sizes), undefined);
    assert.equal(bar(2, 256, [256 * MIB]), undefined);
    assert.equal(bar(2, 256), undefined);
  });
});
