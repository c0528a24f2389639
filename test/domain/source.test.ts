import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readElement, type Element } from '../../src/domain/element.ts';
import { parseNumber, readDriver, readManaged, readPciAddress, readSource } from '../../src/domain/source.ts';
import { pciAddress } from '../../src/pci/address.ts';
import { refusalOf } from './documents.ts';

const address = (attributes: string): Element => readElement(`<address ${attributes}/>`);
const hostdev = (content: string, attributes = ''): Element =>
  readElement(`<hostdev ${attributes}>${content}</hostdev>`);

describe('parseNumber', () => {
  const numbers: readonly (readonly [text: string, value: number | undefined])[] = [
    ['0x1f', 31],
    ['0X1F', 31],
    ['0x0000', 0],
    ['0x00000000000001', 1],
    ['0', 0],
    ['00', 0],
    ['010', 8],
    ['07', 7],
    ['10', 10],
    ['222', 222],
    ['1f', 31],
    ['a0', 160],
    ['0a', 10],
    ['F', 15],
    ['08', undefined],
    ['09', undefined],
    ['0b1', undefined],
    ['0B01', undefined],
    ['0b2', 178],
    ['0x', undefined],
    ['x1', undefined],
    ['0x1g', undefined],
    ['', undefined],
    [' 1', undefined],
    ['1 ', undefined],
    ['+1', undefined],
    ['-1', undefined],
    ['1.0', undefined],
    ['1_0', undefined],
    ['١', undefined],
    ['0x11111111111111111', undefined],
  ];
  for (const [text, value] of numbers) {
    it(`${JSON.stringify(text)} is ${value ?? 'no number'}`, () => {
      assert.equal(parseNumber(text), value);
    });
  }
});

describe('readPciAddress', () => {
  const read: readonly (readonly [title: string, attributes: string, address: string])[] = [
    ['what libvirt prints', "domain='0x0000' bus='0x01' slot='0x00' function='0x0'", '0000:01:00.0'],
    ['decimal numbers', "domain='33' bus='222' slot='31' function='7'", '0021:de:1f.7'],
    ['octal numbers, as libvirt takes a leading zero', "bus='010' slot='010'", '0000:08:08.0'],
    ['a bus alone', "bus='0x01'", '0000:01:00.0'],
    ['a slot alone', "slot='0x1f'", '0000:00:1f.0'],
    ['a domain alone', "domain='0x1'", '0001:00:00.0'],
    ['a domain of more than four digits', "domain='0x10000' bus='1'", '10000:01:00.0'],
    ['the largest numbers', "domain='0xffffffff' bus='0xff' slot='0x1f' function='7'", 'ffffffff:ff:1f.7'],
    ['bare hexadecimal with a letter', "bus='0a' slot='1f'", '0000:0a:1f.0'],
    ['no number at all: the first device of s390x', '', '0000:00:00.0'],
    ['zeros, and a function', "domain='0x0000' bus='0x00' slot='0x00' function='0x3'", '0000:00:00.3'],
    ["type='pci'", "type='pci' bus='1'", '0000:01:00.0'],
    ['references in a value', "bus='&#x30;x0&#49;'", '0000:01:00.0'],
    ['attributes of other namespaces, which mean nothing', "x:bus='9' bus='1'", '0000:01:00.0'],
  ];
  for (const [title, attributes, expected] of read) {
    it(`reads ${title}`, () => {
      assert.equal(readPciAddress(address(attributes), '<hostdev> 1'), expected);
    });
  }

  it('reads the address of any four numbers, hexadecimal or decimal', () => {
    const numbers = fc.record({
      domain: fc.oneof(fc.nat(0xffff), fc.nat(0xffffffff)),
      bus: fc.nat(0xff),
      slot: fc.nat(0x1f),
      function: fc.nat(7),
    });
    fc.assert(
      fc.property(numbers, fc.constantFrom(10, 16), (parts, base) => {
        const attributes = Object.entries(parts).map(
          ([name, value]) => `${name}='${base === 16 ? '0x' : ''}${value.toString(base)}'`,
        );
        assert.equal(readPciAddress(address(attributes.join(' ')), '<hostdev> 1'), pciAddress(parts));
      }),
    );
  });

  const refused: readonly (readonly [title: string, attributes: string, message: string])[] = [
    [
      'a bus over 0xff',
      "bus='0x1ff'",
      'the bus in the source address of <hostdev> 1 is "0x1ff", expected 0 to 0xff',
    ],
    [
      'a decimal bus over 255',
      "bus='256'",
      'the bus in the source address of <hostdev> 1 is "256", expected 0 to 0xff',
    ],
    [
      'a slot over 0x1f',
      "bus='1' slot='0x20'",
      'the slot in the source address of <hostdev> 1 is "0x20", expected 0 to 0x1f',
    ],
    [
      'a function over 7',
      "bus='1' function='8'",
      'the function in the source address of <hostdev> 1 is "8", expected 0 to 0x7',
    ],
    [
      'a domain over 32 bits',
      "domain='0x100000000' bus='1'",
      'the domain in the source address of <hostdev> 1 is "0x100000000", expected 0 to 0xffffffff',
    ],
    ['an empty number', "bus=''", 'the bus in the source address of <hostdev> 1 is "", expected 0 to 0xff'],
    [
      'a negative number',
      "bus='-1'",
      'the bus in the source address of <hostdev> 1 is "-1", expected 0 to 0xff',
    ],
    [
      'a number that would write to a terminal',
      "bus='&#x9b;2J'",
      'the bus in the source address of <hostdev> 1 is "\\u{9b}2J", expected 0 to 0xff',
    ],
    [
      'another type',
      "type='usb' bus='1'",
      'the source address of <hostdev> 1 has the type "usb", expected "pci"',
    ],
  ];
  for (const [title, attributes, message] of refused) {
    it(`refuses ${title}`, () => {
      assert.equal(
        refusalOf(() => readPciAddress(address(attributes), '<hostdev> 1')),
        message,
      );
    });
  }
});

describe('readSource', () => {
  it("finds the host's address, never the guest's", () => {
    const element = hostdev("<source><address bus='1'/></source><address type='pci' bus='9'/>");
    assert.equal(readSource(element, '<hostdev> 1').address.attributes.get('bus'), '1');
  });

  const refused: readonly (readonly [title: string, content: string, message: string])[] = [
    ['no source', "<address type='pci' bus='9'/>", '<hostdev> 1 has no <source>, expected exactly one'],
    ['two sources', '<source/><source/>', '<hostdev> 1 has 2 <source>, expected exactly one'],
    ['no address', '<source/>', 'the <source> of <hostdev> 1 has no <address>, expected exactly one'],
    [
      'two addresses',
      '<source><address/><address/></source>',
      'the <source> of <hostdev> 1 has 2 <address>, expected exactly one',
    ],
    [
      'text for a source',
      '<source>01:00.0</source>',
      'the <source> of <hostdev> 1 has no <address>, expected exactly one',
    ],
    [
      'an address of another namespace',
      "<source><address xmlns='urn:x' bus='1'/></source>",
      'the <source> of <hostdev> 1 has no <address>, expected exactly one',
    ],
  ];
  for (const [title, content, message] of refused) {
    it(`refuses ${title}`, () => {
      assert.equal(
        refusalOf(() => readSource(hostdev(content), '<hostdev> 1')),
        message,
      );
    });
  }
});

describe('readManaged', () => {
  it('reads yes', () => {
    assert.equal(readManaged(hostdev('', "managed='yes'"), 'x'), true);
  });
  it('reads no', () => {
    assert.equal(readManaged(hostdev('', "managed='no'"), 'x'), false);
  });
  it('takes its absence for no, as libvirt does', () => {
    assert.equal(readManaged(hostdev(''), 'x'), false);
  });
  for (const value of ['YES', 'true', '1', '', ' yes']) {
    it(`refuses ${JSON.stringify(value)}`, () => {
      const message = `<hostdev> 1 has managed=${JSON.stringify(value)}, expected "yes" or "no"`;
      assert.equal(
        refusalOf(() => readManaged(hostdev('', `managed='${value}'`), '<hostdev> 1')),
        message,
      );
    });
  }
});

describe('readDriver', () => {
  it('reads name and model', () => {
    const element = hostdev("<driver name='vfio' model='nvgrace_gpu_vfio_pci'/>");
    assert.deepEqual(readDriver(element, 'x'), { driver: 'vfio', model: 'nvgrace_gpu_vfio_pci' });
  });
  for (const model of ['../../../../tmp/d', '', '-r', 'a b ', 'x\u009b', 'x\u202ey', 'a'.repeat(65)]) {
    it(`refuses the model ${JSON.stringify(model)}, which can be no driver’s name`, () => {
      assert.match(
        refusalOf(() => readDriver(hostdev(`<driver name='vfio' model='${model}'/>`), '<hostdev> 1')),
        /^the <driver> of <hostdev> 1 has model=".*", which is no driver's name$/,
      );
    });
  }
  it('says nothing where the XML says nothing', () => {
    assert.deepEqual(readDriver(hostdev(''), 'x'), {});
  });
  it('refuses two drivers', () => {
    assert.equal(
      refusalOf(() => readDriver(hostdev('<driver/><driver/>'), '<hostdev> 1')),
      '<hostdev> 1 has 2 <driver>, expected at most one',
    );
  });
});
