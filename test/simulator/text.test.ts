import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  cString,
  hex,
  kernelBoolean,
  kernelNumber,
  matchesPattern,
  writtenName,
} from '../../simulator/text.ts';

describe('cString and writtenName', () => {
  const rows = [
    ['vfio-pci', 'vfio-pci', 'vfio-pci'],
    ['vfio-pci\n', 'vfio-pci\n', 'vfio-pci'],
    ['a\n\n', 'a\n\n', 'a\n'],
    ['a\0b', 'a', 'a'],
    ['\0', '', ''],
    ['', '', ''],
  ] as const;
  for (const [data, text, name] of rows) {
    it(`read ${JSON.stringify(data)}`, () => {
      assert.equal(cString(data), text);
      assert.equal(writtenName(data), name);
    });
  }
});

describe('kernelNumber', () => {
  const rows = [
    ['0', 0],
    ['12', 12],
    ['12\n', 12],
    ['+12', 12],
    ['0xa', 10],
    ['0XA', 10],
    ['017', 15],
    ['00', 0],
    ['08', 'EINVAL'],
    ['0x', 'EINVAL'],
    ['-1', 'EINVAL'],
    ['', 'EINVAL'],
    ['\n', 'EINVAL'],
    ['1\n\n', 'EINVAL'],
    [' 1', 'EINVAL'],
    ['1 ', 'EINVAL'],
    ['9 9', 'EINVAL'],
    ['12abc', 'EINVAL'],
    ['65535', 65535],
    ['65536', 'ERANGE'],
    ['99999999999999999999', 'ERANGE'],
  ] as const;
  for (const [data, expected] of rows) {
    it(`reads ${JSON.stringify(data)} as ${expected}`, () => {
      assert.equal(kernelNumber(data, 0xffff), expected);
    });
  }

  it('reads back what is printed in any of its three forms', () => {
    fc.assert(
      fc.property(fc.nat(), (value) => {
        assert.equal(kernelNumber(String(value), Infinity), value);
        assert.equal(kernelNumber(`0x${value.toString(16)}\n`, Infinity), value);
        assert.equal(kernelNumber(`0${value.toString(8)}`, Infinity), value);
      }),
    );
  });
});

describe('kernelBoolean', () => {
  const rows = [
    ['1', true],
    ['y', true],
    ['Yes', true],
    ['on\n', true],
    ['true', true],
    ['0', false],
    ['n', false],
    ['off', false],
    ['False', false],
    ['2', undefined],
    ['o', undefined],
    ['', undefined],
  ] as const;
  for (const [data, expected] of rows) {
    it(`reads ${JSON.stringify(data)} as ${String(expected)}`, () => {
      assert.equal(kernelBoolean(data), expected);
    });
  }
});

describe('hex', () => {
  it('fills up with zeros and cuts nothing', () => {
    assert.equal(hex(0x7fc0, 16), '0000000000007fc0');
    assert.equal(hex(0x123456, 4), '123456');
  });
});

describe('matchesPattern', () => {
  const rows = [
    ['*', '', true],
    ['*', 'anything', true],
    ['a', 'a', true],
    ['a', 'ab', false],
    ['a*', 'ab', true],
    ['*b', 'ab', true],
    ['*b', 'ba', false],
    ['a*c', 'abc', true],
    ['a*c', 'ac', true],
    ['a*c', 'a', false],
    ['ab*ba', 'aba', false],
    ['*/driver_override', '/sys/x/driver_override', true],
    ['*0000:03:00.?*', '0000:03:00.0', false],
    ['/sys/*/0000:03:00.0/*_resize', '/sys/bus/0000:03:00.0/resource0_resize', true],
    ['a*b*c', 'a-c-b', false],
  ] as const;
  for (const [pattern, text, expected] of rows) {
    it(`${pattern} ${expected ? 'fits' : 'does not fit'} ${JSON.stringify(text)}`, () => {
      assert.equal(matchesPattern(pattern, text), expected);
    });
  }

  it('fits every text that it was made of by replacing a part with a star', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (before, middle, after) => {
        fc.pre(!`${before}${after}`.includes('*'));
        assert.ok(matchesPattern(`${before}*${after}`, `${before}${middle}${after}`));
      }),
    );
  });
});
