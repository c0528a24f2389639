import assert from 'node:assert/strict';
import fc from 'fast-check';
import { quoted, shellWord, shownPath } from '../../src/config/quoted.ts';

describe('quoted', () => {
  const table: [text: string, shown: string][] = [
    ['win11', '"win11"'],
    ['', '""'],
    ['Büro – 日本', '"Büro – 日本"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ['a\nb\x1b[2J\x7f\x9b', '"a\\u{a}b\\u{1b}[2J\\u{7f}\\u{9b}"'],
    ['\u202egnp\u2028\u2066', '"\\u{202e}gnp\\u{2028}\\u{2066}"'],
    ['\ud800', '"\\u{d800}"'],
    ['\u{e0041}', '"\\u{e0041}"'],
    ['x'.repeat(100), `"${'x'.repeat(80)}…"`],
  ];
  for (const [text, shown] of table) {
    it(`shows ${JSON.stringify(text.slice(0, 20))} as ${shown.slice(0, 40)}`, () => {
      assert.equal(quoted(text), shown);
    });
  }
  it('never lets a control or formatting character through', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(quoted(text), /[\p{C}\p{Zl}\p{Zp}]/u);
        assert.doesNotMatch(shownPath(text), /[\p{C}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});

describe('shownPath and shellWord', () => {
  const table: [path: string, shown: string, word: string | undefined][] = [
    ['/etc/vfio-hook/config.yaml', '/etc/vfio-hook/config.yaml', '/etc/vfio-hook/config.yaml'],
    ['/a b', '"/a b"', "'/a b'"],
    ["/it's", `"/it's"`, `'/it'\\''s'`],
    ['/$(reboot)', '"/$(reboot)"', "'/$(reboot)'"],
    ['/~x', '/~x', "'/~x'"],
    ['/a\nb', '"/a\\u{a}b"', undefined],
    ['/\u202ex', '"/\\u{202e}x"', undefined],
  ];
  for (const [path, shown, word] of table) {
    it(`shows ${JSON.stringify(path)} as ${shown}`, () => {
      assert.equal(shownPath(path), shown);
      assert.equal(shellWord(path), word);
    });
  }
});
