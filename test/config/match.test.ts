import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeConfigFile } from '../../src/config/decode.ts';
import { classWords, formatDeviceMatch, matchesDevice, parseDeviceMatch } from '../../src/config/match.ts';
import { parsePciAddress, pciAddress } from '../../src/pci/address.ts';

describe('parseDeviceMatch', () => {
  const good: [text: string, canonical: string][] = [
    ['0000:03:00.0', '0000:03:00.0'],
    ['03:00.1', '0000:03:00.1'],
    ['pci_0001_0A_1f_7', '0001:0a:1f.7'],
    ['10000:E1:00.0', '10000:e1:00.0'],
    ['1002:744C', '1002:744c'],
    ...Object.keys(classWords).map((word): [string, string] => [word, word]),
  ];
  for (const [text, canonical] of good) {
    it(`reads ${text} as ${canonical}`, () => {
      const match = parseDeviceMatch(text);
      assert.ok(match);
      assert.equal(formatDeviceMatch(match), canonical);
      assert.deepEqual(parseDeviceMatch(canonical), match);
    });
  }
  for (const text of [
    '',
    ' vga',
    'VGA',
    'gpu',
    '10:20',
    '03:20.0',
    '03:00.8',
    '1002:',
    '1002:744',
    '1002:744c0',
    '0x1002:744c',
    'toString',
    '__proto__',
    'constructor',
    '03:00.0\n',
  ]) {
    it(`does not read ${JSON.stringify(text)}`, () => {
      assert.equal(parseDeviceMatch(text), undefined);
    });
  }
});

describe('matchesDevice', () => {
  const base = { address: parsePciAddress('03:00.0')!, vendor: '10de', device: '2204', class: '030000' };
  const table: [match: string, change: Partial<typeof base>, matches: boolean][] = [
    ['03:00.0', {}, true],
    ['03:00.1', {}, false],
    ['10de:2204', {}, true],
    ['10de:2204', { device: '2205' }, false],
    ['10de:2204', { vendor: '1002' }, false],
    ['vga', {}, true],
    ['vga', { class: '030200' }, false],
    ['3d', { class: '030200' }, true],
    ['display', { class: '038000' }, true],
    ['audio', { class: '040300' }, true],
    ['audio', { class: '040100' }, false],
    ['network', { class: '028000' }, true],
    ['nvme', { class: '010802' }, true],
    ['nvme', { class: '010601' }, false],
    ['storage', { class: '010601' }, true],
    ['usb', { class: '0c0330' }, true],
    ['usb', { class: '0c0500' }, false],
  ];
  for (const [match, change, matches] of table) {
    it(`${match} ${matches ? 'names' : 'does not name'} a device of ${JSON.stringify(change)}`, () => {
      assert.equal(matchesDevice(parseDeviceMatch(match)!, { ...base, ...change }), matches);
    });
  }

  it('by address matches that device in each of its spellings, whatever its domain', () => {
    const numbers = fc.record({
      domain: fc.oneof(fc.nat(0xffff), fc.nat(0xffffffff)),
      bus: fc.nat(0xff),
      slot: fc.nat(0x1f),
      function: fc.nat(7),
    });
    fc.assert(
      fc.property(numbers, numbers, (one, other) => {
        const [address, elsewhere] = [pciAddress(one)!, pciAddress(other)!];
        for (const text of [address, address.toUpperCase(), `pci_${address.replace(/[:.]/g, '_')}`]) {
          const match = parseDeviceMatch(text)!;
          assert.equal(matchesDevice(match, { ...base, address }), true);
          assert.equal(matchesDevice(match, { ...base, address: elsewhere }), elsewhere === address);
          const file = JSON.stringify({ devices: [{ match: text }] });
          assert.deepEqual(decodeConfigFile(file, 'a.json').devices?.[0]?.match, match);
        }
      }),
    );
  });

  it('by vendor and device matches nothing but those two', () => {
    const id = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16).padStart(4, '0'));
    fc.assert(
      fc.property(id, id, id, id, (vendor, device, v2, d2) => {
        const match = parseDeviceMatch(`${vendor}:${device}`)!;
        assert.equal(matchesDevice(match, { ...base, vendor, device }), true);
        assert.equal(
          matchesDevice(match, { ...base, vendor: v2, device: d2 }),
          v2 === vendor && d2 === device,
        );
      }),
    );
  });
});
