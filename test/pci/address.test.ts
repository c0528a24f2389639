import assert from 'node:assert/strict';
import fc from 'fast-check';
import { comparePciAddresses, parsePciAddress, pciAddress, pciAddressParts } from '../../src/pci/address.ts';

const parts = fc.record(
  {
    domain: fc.oneof(fc.nat(0xffff), fc.nat(0xffffffff)),
    bus: fc.nat(0xff),
    slot: fc.nat(0x1f),
    function: fc.nat(7),
  },
  { noNullPrototype: true },
);

describe('pciAddress', () => {
  const at = (domain: number, bus: number, slot: number, fn: number): string | undefined =>
    pciAddress({ domain, bus, slot, function: fn });

  const cases: readonly (readonly [
    domain: number,
    bus: number,
    slot: number,
    fn: number,
    address: string | undefined,
  ])[] = [
    [0, 1, 0, 0, '0000:01:00.0'],
    [0, 0xab, 0x1f, 7, '0000:ab:1f.7'],
    [0x21, 222, 31, 1, '0021:de:1f.1'],
    [0x10000, 1, 0, 0, '10000:01:00.0'],
    [0xffffffff, 0xff, 0x1f, 7, 'ffffffff:ff:1f.7'],
    [0, 0x100, 0, 0, undefined],
    [0, 0, 0x20, 0, undefined],
    [0, 0, 0, 8, undefined],
    [0x100000000, 0, 0, 0, undefined],
    [0, -1, 0, 0, undefined],
    [0, 1.5, 0, 0, undefined],
    [NaN, 1, 0, 0, undefined],
  ];
  for (const [domain, bus, slot, fn, address] of cases) {
    it(`${domain}, ${bus}, ${slot}, ${fn} is ${address ?? 'out of range'}`, () => {
      assert.equal(at(domain, bus, slot, fn), address);
    });
  }
});

describe('parsePciAddress', () => {
  const read: readonly (readonly [text: string, address: string])[] = [
    ['0000:01:00.0', '0000:01:00.0'],
    ['01:00.0', '0000:01:00.0'],
    ['0000:AB:1F.7', '0000:ab:1f.7'],
    ['10000:e1:00.0', '10000:e1:00.0'],
    ['00000000:01:00.0', '0000:01:00.0'],
    ['pci_0000_01_00_0', '0000:01:00.0'],
    ['pci_10000_e1_00_0', '10000:e1:00.0'],
  ];
  for (const [text, address] of read)
    it(`${text} is ${address}`, () => {
      assert.equal(parsePciAddress(text), address);
    });

  const refused = [
    '',
    '01:00',
    '1:00.0',
    '01:0.0',
    '01:00.8',
    '01:20.0',
    '01:00.00',
    '000:01:00.0',
    '0x01:00.0',
    '0000:01:00.0 ',
    ' 01:00.0',
    '0000:01:00.0\n',
    '0000:01:00.0/..',
    '../0000:01:00.0',
    '000000000:01:00.0',
    'pci_01_00_0',
    '0000_01_00_0',
    'pci_0000:01:00.0',
    '0000:01:00.*',
    '０１:00.0',
  ];
  for (const text of refused)
    it(`${JSON.stringify(text)} is none`, () => {
      assert.equal(parsePciAddress(text), undefined);
    });

  it('reads back what it prints, from each form', () => {
    fc.assert(
      fc.property(parts, (numbers) => {
        const address = pciAddress(numbers)!;
        assert.equal(parsePciAddress(address), address);
        assert.equal(parsePciAddress(address.toUpperCase()), address);
        assert.equal(parsePciAddress(`pci_${address.replace(/[:.]/g, '_')}`), address);
        assert.deepEqual(pciAddressParts(address), numbers);
      }),
    );
  });
});

describe('comparePciAddresses', () => {
  it('orders numbers, not text', () => {
    const sorted = [
      '0000:00:02.5',
      '0000:00:1f.0',
      '0000:00:1f.3',
      '0000:01:00.0',
      '0000:01:00.1',
      '0000:0a:00.0',
      '0001:00:00.0',
      'ffff:00:00.0',
      '10000:00:00.0',
    ];
    const addresses = sorted.map((text) => parsePciAddress(text)!);
    assert.deepEqual([...addresses].reverse().sort(comparePciAddresses), addresses);
  });

  it('is an order: equal only to itself, opposite the other way round', () => {
    fc.assert(
      fc.property(parts, parts, (x, y) => {
        const [a, b] = [pciAddress(x)!, pciAddress(y)!];
        assert.equal(Math.sign(comparePciAddresses(a, b)), 0 - Math.sign(comparePciAddresses(b, a)) + 0);
        assert.equal(comparePciAddresses(a, b) === 0, a === b);
      }),
    );
  });
});
