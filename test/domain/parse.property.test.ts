import assert from 'node:assert/strict';
import fc from 'fast-check';
import { XMLValidator } from 'fast-xml-parser';
import { VfioHookError } from '../../src/errors.ts';
import { parseDomain } from '../../src/domain/parse.ts';
import { pciAddress } from '../../src/pci/address.ts';
import { captures, commandline, examples, guest, hostdev, pci, QEMU } from './documents.ts';

/** Numbers of a PCI address that names a device. */
const parts = fc
  .record({
    domain: fc.oneof(fc.constant(0), fc.nat(0xffff), fc.nat(0xffffffff)),
    bus: fc.nat(0xff),
    slot: fc.nat(0x1f),
    function: fc.nat(7),
  })
  .filter(({ domain, bus, slot }) => domain + bus + slot > 0);

/** A number in any spelling that libvirt's parser takes, and in hexadecimal without 0x where a letter tells. */
const spelled = (value: number): fc.Arbitrary<string> => {
  const hex = value.toString(16);
  const bare = /[a-f]/.test(hex) && !/^0?b[01]+$/.test(hex) ? [hex, `0${hex}`] : [];
  return fc.constantFrom(
    `0x${hex}`,
    `0X${hex.toUpperCase()}`,
    `0x000${hex}`,
    String(value),
    `0${value.toString(8)}`,
    ...bare,
  );
};

/** Text that looks like host devices, in places where it assigns none. */
const decoy = fc.constantFrom(
  `<!-- ${hostdev(pci(9))} -->`,
  `<![CDATA[${hostdev(pci(9))}]]>`,
  `<x:hostdev xmlns:x='urn:x' type='pci'><source><address ${pci(9)}/></source></x:hostdev>`,
  `<hostdev xmlns='urn:x' type='pci'><source><address ${pci(9)}/></source></hostdev>`,
  hostdev("bus='9' device='9'", "type='usb'"),
  `<controller type='pci'>${hostdev(pci(9))}</controller>`,
  "<disk type='file'><source file='/a'/></disk>",
  "<interface type='network'><source network='default'/></interface>",
  `<disk type='block'><source dev='/dev/nvme0n1'/><address type='pci' ${pci(9)}/></disk>`,
);

/** Parses and says what came: devices, or a refusal of the one kind that is allowed. */
function outcome(xml: string): string {
  try {
    return JSON.stringify(parseDomain(xml).hostdevs);
  } catch (error) {
    assert.ok(error instanceof VfioHookError, `not a VfioHookError: ${String(error)}`);
    assert.equal(error.code, 'VH_XML');
    assert.ok(!error.message.includes('\n'));
    return 'refused';
  }
}

const documents = [...examples(), ...captures()];

describe('parseDomain, properties', () => {
  it('reads any address in any spelling', () => {
    const written = parts.chain((numbers) =>
      fc
        .tuple(
          spelled(numbers.domain),
          spelled(numbers.bus),
          spelled(numbers.slot),
          spelled(numbers.function),
        )
        .map(([domain, bus, slot, fn]) => ({
          address: pciAddress(numbers),
          attributes: `function='${fn}' slot='${slot}' bus="${bus}" domain='${domain}'`,
        })),
    );
    fc.assert(
      fc.property(written, ({ address, attributes }) => {
        assert.deepEqual(parseDomain(guest(hostdev(attributes))).hostdevs, [
          { kind: 'pci', address, managed: true },
        ]);
      }),
      { numRuns: 200 },
    );
  });

  it('finds exactly the devices of a generated guest, in order, whatever decoys stand between', () => {
    const addresses = fc.uniqueArray(parts, { maxLength: 40, selector: (each) => pciAddress(each) });
    const device = (text: string): fc.Arbitrary<string> =>
      fc.tuple(decoy, decoy).map(([a, b]) => a + text + b);
    const written = addresses.chain((list) =>
      fc
        .tuple(...list.map((each) => device(hostdev(pci(each.bus, each.slot, each.function, each.domain)))))
        .map((devices) => ({ list, xml: guest(devices.join('\n')) })),
    );
    fc.assert(
      fc.property(written, ({ list, xml }) => {
        const found = parseDomain(xml).hostdevs.map((each) => each.kind === 'pci' && each.address);
        assert.deepEqual(
          found,
          list.map((each) => pciAddress(each)),
        );
      }),
    );
  });

  for (const { title, xml } of examples()) {
    it(`${title}: cut off at any byte it is refused, never a shorter list of devices`, () => {
      const bytes = Buffer.from(xml);
      const whole = outcome(xml);
      const end = xml.lastIndexOf('</domain>') + '</domain>'.length;
      assert.notEqual(whole, 'refused');
      // What comes after the root's end tag is a line end: without it the document is still whole.
      for (let length = 0; length < bytes.length; length += 1) {
        const cut = outcome(bytes.subarray(0, length).toString('utf8'));
        assert.equal(cut, length < end ? 'refused' : whole, `cut after ${length} bytes`);
      }
    }).timeout(60_000);
  }

  it("answers any mutation of a real document with devices or a refusal, and takes none that fast-xml-parser's own validator refuses", () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.constantFrom(
        '<',
        '>',
        '&',
        "'",
        '"',
        '/',
        '</',
        '<!--',
        '-->',
        '<![CDATA[',
        ']]>',
        '<?',
        '<!DOCTYPE x>',
        'xmlns=',
        '\0',
      ),
      fc.constantFrom(
        '<hostdev>',
        '</hostdev>',
        '<devices>',
        '</devices>',
        '</domain>',
        "type='pci'",
        '0x',
        '&#0;',
      ),
    );
    const edit = fc.record({
      document: fc.nat(documents.length - 1),
      at: fc.nat(8000),
      remove: fc.nat(20),
      insert: piece,
    });
    fc.assert(
      fc.property(edit, ({ document, at, remove, insert }) => {
        const { xml } = documents[document]!;
        const place = at % xml.length;
        const changed = xml.slice(0, place) + insert + xml.slice(place + remove);
        if (outcome(changed) === 'refused') return;
        // It does not know all letters of other scripts that a name may have.
        if (!/^[\0-\x7f]*$/.test(insert)) return;
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- its successor is another package
        assert.equal(XMLValidator.validate(changed), true);
      }),
      { numRuns: 1500 },
    );
  });

  // An NVMe controller behind several disks is one device: given another address at one of them, it is two.
  it('a change of one attribute value never adds a device, but parts those that stood for one', () => {
    const value = fc.string({ maxLength: 6 }).filter((text) => !/['<&]/.test(text));
    fc.assert(
      fc.property(fc.nat(documents.length - 1), fc.nat(), value, (document, index, text) => {
        const { xml } = documents[document]!;
        const values = [...xml.matchAll(/='([^']*)'/g)];
        const chosen = values[index % values.length]!;
        const changed = `${xml.slice(0, chosen.index)}='${text}'${xml.slice(chosen.index + chosen[0].length)}`;
        const after = outcome(changed);
        if (after === 'refused') return;
        const devices = (list: string) => JSON.parse(list) as { readonly kind?: string }[];
        const before = devices(outcome(xml));
        const disks = [...xml.matchAll(/<source type='pci'/g)].length;
        const repeated = disks - before.filter(({ kind }) => kind === 'nvme').length;
        assert.ok(devices(after).length <= before.length + repeated);
      }),
      { numRuns: 200, examples: [[4, 1761847113, '1']] },
    );
  });

  it('answers any garbage with a refusal', () => {
    const garbage = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({
        unit: fc.constantFrom('<', '>', '/', 'a', ' ', '=', "'", '"', '&', ';', '!', '-', '[', ']', '?'),
        maxLength: 60,
      }),
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('utf8')),
    );
    fc.assert(
      fc.property(garbage, (text) => outcome(text) === 'refused'),
      { numRuns: 2000 },
    );
  });

  it("answers any argument of QEMU's command line with devices or a refusal", () => {
    const text = fc.string({
      unit: fc.constantFrom(...Array.from('vfio-pci,host={}":01.ab= ')),
      maxLength: 40,
    });
    const value = fc.oneof(
      text,
      text.map((rest) => `vfio-pci,host=${rest}`),
      fc.json(),
    );
    fc.assert(
      fc.property(value, (argument) => {
        outcome(guest('', { attributes: QEMU, tail: commandline('-device', argument.replaceAll('\0', '')) }));
      }),
      { numRuns: 200 },
    );
  });

  it('leaves no trace in Object.prototype', () => {
    for (const name of ['__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString']) {
      outcome(guest(`<${name} polluted='1'><${name}/></${name}>`));
      outcome(guest(`<hostdev type='usb' ${name}='1'/>`));
    }
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  });
});

describe('parseDomain on documents of hostile size', () => {
  const fill = (unit: string, length: number): string => unit.repeat(Math.floor(length / unit.length));
  const MIB = 2 ** 20;
  const cases: readonly (readonly [title: string, xml: () => string, expected: string])[] = [
    ['16 MiB of text', () => guest(fill('x', 16 * MIB)), 'refused'],
    ['16 MiB of references', () => guest(fill('&#65;', 16 * MIB)), 'refused'],
    ['16 MiB of hostdevs', () => guest(fill(hostdev(pci(1)), 16 * MIB)), 'refused'],
    ['4 MiB of ampersands', () => guest(fill('&', 4 * MIB - 500)), 'refused'],
    ['4 MiB of text between devices', () => guest(fill('x', 4 * MIB - 500)), '[]'],
    [
      '4 MiB of a device',
      () => guest(`<hostdev type='usb'>${fill('x', 4 * MIB - 600)}</hostdev>`),
      'refused',
    ],
    ['4 MiB of another device', () => guest(`<rng>${fill('x', 4 * MIB - 600)}</rng>`), '[]'],
    ['4 MiB of blanks in a tag', () => guest(`<a${fill(' ', 4 * MIB - 500)}`), 'refused'],
    ['4 MiB of open quotes', () => guest(fill("<a b='", 4 * MIB - 500)), 'refused'],
    [
      '4 MiB of metadata',
      () => guest('', { tail: `<metadata>${fill('x&lt;', 4 * MIB - 500)}</metadata>` }),
      '[]',
    ],
    ['nearly 1 MiB of references', () => guest(fill('&#65;', MIB - 500)), '[]'],
    ['nearly 1 MiB of USB devices', () => guest(fill(hostdev('', "type='usb'"), MIB - 500)), '[]'],
    ['many bindings at each of 200 levels', () => guest(bindings(200, 20)), '[]'],
  ];
  for (const [title, xml, expected] of cases) {
    // The bound is for what grows with the square of the length: that would take minutes.
    it(`${title}: answered in bounded time`, () => {
      assert.equal(outcome(xml()), expected);
    }).timeout(20_000);
  }

  function bindings(levels: number, each: number): string {
    const attributes = Array.from({ length: each }, (_, i) => ` xmlns:p${i}='u'`).join('');
    return `<a${attributes}>`.repeat(levels) + '<b xmlns:q="u"/>'.repeat(10_000) + '</a>'.repeat(levels);
  }
});
