import assert from 'node:assert/strict';
import { bitsOf, formatAddress, hostOrderBits, ipv4Prefix } from '../../../src/observe/uses/address-bits.ts';

describe('formatAddress', () => {
  const rows: readonly (readonly [digits: string, text: string])[] = [
    ['c0a80114', '192.168.1.20'],
    ['20010db8000000000000000000000001', '2001:db8::1'],
    ['fe800000000000000a0027fffe4e66a1', 'fe80::a00:27ff:fe4e:66a1'],
    ['20010db8000100020003000400050006', '2001:db8:1:2:3:4:5:6'],
    ['20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['00000000000000000000000000000001', '::1'],
    ['20010db8000700000000000000000000', '2001:db8:7::'],
  ];
  for (const [digits, text] of rows) {
    it(`writes ${text}`, () => {
      assert.equal(formatAddress(bitsOf(digits)), text);
    });
  }
});

describe('hostOrderBits', () => {
  it('turns each 32 bits around', () => {
    assert.equal(formatAddress(hostOrderBits('0501A8C0')), '192.168.1.5');
    assert.equal(formatAddress(hostOrderBits('B80D0120000000000000000020000000')), '2001:db8::20');
  });
});

describe('ipv4Prefix', () => {
  const rows: readonly (readonly [text: string, bits: string | undefined])[] = [
    ['128.0.0.0/1', '1'],
    ['0.0.0.0/0', ''],
    ['192.0.0.0/2', '11'],
    ['10.1.0.0/16', '0000101000000001'],
    ['255.255.255.255', '1'.repeat(32)],
    ['default', undefined],
    ['::/1', undefined],
    ['10.1', undefined],
  ];
  for (const [text, bits] of rows) {
    it(`reads ${text}`, () => {
      assert.equal(ipv4Prefix(text), bits);
    });
  }
});
