import assert from 'node:assert/strict';
import { listed, plainOrQuoted } from '../../../src/observe/uses/words.ts';

describe('plainOrQuoted', () => {
  const rows = [
    ['/home', '/home'],
    ['vg0-home', 'vg0-home'],
    ['/srv/a b', '"/srv/a b"'],
    ['-rf', '"-rf"'],
    ['', '""'],
    ['$(reboot)', '"$(reboot)"'],
    ['/x\n', '"/x\\u{a}"'],
    ['/Büro', '"/Büro"'],
    [`/${'x'.repeat(200)}`, `"/${'x'.repeat(98)}…"`],
  ] as const;
  for (const [text, expected] of rows) {
    it(`${JSON.stringify(text.slice(0, 20))} is ${expected.slice(0, 20)}`, () => {
      assert.equal(plainOrQuoted(text), expected);
    });
  }
});

describe('listed', () => {
  const rows = [
    ['', []],
    ['a', ['a']],
    ['a and b', ['a', 'b']],
    ['a, b, c and d', ['a', 'b', 'c', 'd']],
    ['a, b, c and 2 more places', ['a', 'b', 'c', 'd', 'e']],
  ] as const;
  for (const [expected, words] of rows) {
    it(`${words.length} words`, () => {
      assert.equal(listed(words, 'places'), expected);
    });
  }
});
