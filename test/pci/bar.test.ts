import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  bitOfBarSize,
  formatBarSize,
  IORESOURCE_UNSET,
  parseBars,
  parseBarSize,
  parseResizeMask,
} from '../../src/pci/bar.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const TIB = 2 ** 40;
const NONE = '0x0000000000000000 0x0000000000000000 0x0000000000000000';

describe('parseBarSize', () => {
  const sizes: readonly (readonly [text: string, bytes: number | undefined])[] = [
    ['1MiB', MIB],
    ['8MiB', 8 * MIB],
    ['256M', 256 * MIB],
    ['256 MB', 256 * MIB],
    ['16GiB', 16 * GIB],
    ['16g', 16 * GIB],
    ['1024MiB', GIB],
    [' 32 GB ', 32 * GIB],
    ['128TiB', 128 * TIB],
    ['256TiB', undefined],
    ['0MiB', undefined],
    ['3GiB', undefined],
    ['512KiB', undefined],
    ['256', undefined],
    ['MiB', undefined],
    ['1.5GiB', undefined],
    ['-8MiB', undefined],
    ['8 Mi B', undefined],
    ['8MiBs', undefined],
    ['8constructor', undefined],
    ['', undefined],
    ['9999999MiB', undefined],
  ];
  for (const [text, bytes] of sizes) {
    it(`${JSON.stringify(text)} is ${bytes ?? 'no size of a BAR'}`, () => {
      assert.equal(parseBarSize(text), bytes);
    });
  }

  it('reads back what formatBarSize prints', () => {
    fc.assert(
      fc.property(fc.nat(27), (bit) => {
        assert.equal(parseBarSize(formatBarSize(2 ** bit * MIB)), 2 ** bit * MIB);
      }),
    );
  });
});

describe('formatBarSize', () => {
  const sizes: readonly (readonly [bytes: number, text: string])[] = [
    [0, '0 B'],
    [512, '512 B'],
    [4096, '4 KiB'],
    [65536, '64 KiB'],
    [MIB, '1 MiB'],
    [256 * MIB, '256 MiB'],
    [1536 * MIB, '1536 MiB'],
    [16 * GIB, '16 GiB'],
    [TIB, '1 TiB'],
    [MIB + 1, '1048577 B'],
  ];
  for (const [bytes, text] of sizes)
    it(`${bytes} is ${text}`, () => {
      assert.equal(formatBarSize(bytes), text);
    });
});

describe('bitOfBarSize', () => {
  it('is n for 2^n MiB, up to 27', () => {
    for (let bit = 0; bit <= 27; bit += 1) assert.equal(bitOfBarSize(2 ** bit * MIB), bit);
  });
  for (const bytes of [0, -MIB, MIB / 2, 3 * MIB, MIB + 1, 2 ** 28 * MIB, NaN, Infinity]) {
    it(`is nothing for ${bytes}`, () => {
      assert.equal(bitOfBarSize(bytes), undefined);
    });
  }
});

describe('parseResizeMask', () => {
  const masks: readonly (readonly [text: string, sizes: readonly number[] | undefined])[] = [
    ['0000000000000001\n', [MIB]],
    ['00000000000000c0', [64 * MIB, 128 * MIB]],
    ['0000000000007f00\n', [256 * MIB, 512 * MIB, GIB, 2 * GIB, 4 * GIB, 8 * GIB, 16 * GIB]],
    ['8000000', [128 * TIB]],
    ['0', []],
    ['10000000', []],
    ['FF', [1, 2, 4, 8, 16, 32, 64, 128].map((each) => each * MIB)],
    ['', undefined],
    ['0x100', undefined],
    ['xyz', undefined],
    ['00000000000000001', undefined],
    ['1 2', undefined],
  ];
  for (const [text, sizes] of masks)
    it(JSON.stringify(text), () => {
      assert.deepEqual(parseResizeMask(text), sizes);
    });
});

describe('parseBars', () => {
  const line = (start: bigint, size: bigint, flags: number): string =>
    [start, start + size - 1n, BigInt(flags)]
      .map((each) => `0x${each.toString(16).padStart(16, '0')}`)
      .join(' ');
  const gpu = [
    line(0x7800000000n, 0x400000000n, 0x14220c),
    NONE,
    line(0x7c00000000n, 0x10000000n, 0x14220c),
    NONE,
    line(0xe000n, 0x100n, 0x40101),
    line(0xfcc00000n, 0x100000n, 0x40200),
    line(0xfcd00000n, 0x20000n, 0x46200),
    NONE,
  ].join('\n');

  it('reads the BARs of a graphics card with the sizes that two of them offer', () => {
    const masks = new Map([
      [0, '0000000000007f00\n'],
      [2, '00000000000001fe\n'],
    ]);
    const bars = parseBars(`${gpu}\n`, masks);
    assert.deepEqual(
      bars.map((bar) => [bar.index, formatBarSize(bar.size), bar.sizes?.length]),
      [
        [0, '16 GiB', 7],
        [2, '256 MiB', 8],
        [4, '256 B', undefined],
        [5, '1 MiB', undefined],
      ],
    );
    assert.equal(bars[0]!.flags, 0x14220c);
  });

  it('leaves out the expansion ROM and what follows', () => {
    assert.ok(parseBars(gpu, new Map([[6, '1']])).every((bar) => bar.index < 6));
  });

  it('takes a BAR without address as of size 0: the kernel found no room for it', () => {
    const unset = line(0n, 0x10000000n, IORESOURCE_UNSET | 0x14220c);
    assert.deepEqual(
      parseBars(unset, new Map()).map((bar) => bar.size),
      [0],
    );
    const zero = '0x0000000000000000 0x0000000000000000 0x000000000014220c';
    assert.deepEqual(
      parseBars(zero, new Map()).map((bar) => bar.size),
      [0],
    );
  });

  it('keeps all 64 bits of addresses', () => {
    const high = line(0xfffffff800000000n, 0x400000000n, 0x14220c);
    assert.equal(parseBars(high, new Map())[0]!.size, 16 * GIB);
  });

  for (const text of ['', '\n', 'garbage', 'a b c', '0x0 0x1', '0xzz 0xff 0x200', '1 2 3', NONE]) {
    it(`finds none in ${JSON.stringify(text)}`, () => {
      assert.deepEqual(parseBars(text, new Map([[0, '1']])), []);
    });
  }

  it('a mask that is none does not make a BAR resizable', () => {
    assert.equal('sizes' in parseBars(gpu, new Map([[0, 'nonsense']]))[0]!, false);
  });

  it('never throws, whatever the kernel prints', () => {
    const word = fc.oneof(fc.string(), fc.constantFrom('0x0', '0xffffffffffffffff', '0x200', '-1', '0x'));
    const text = fc
      .array(fc.array(word, { maxLength: 4 }).map((words) => words.join(' ')))
      .map((lines) => lines.join('\n'));
    fc.assert(
      fc.property(text, (each) => parseBars(each, new Map()).every((bar) => bar.size >= 0 && bar.index < 6)),
    );
  });
});
