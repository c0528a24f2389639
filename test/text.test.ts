import assert from 'node:assert/strict';
import fc from 'fast-check';
import { escapeControl, quoteName, safeJson, safeLine, safeText, shellWord, shownPath } from '../src/text.ts';

/** Whatever could drive a terminal, forge a line, turn the direction of writing or not be seen. */
const DANGEROUS = /[\p{C}\p{Zl}\p{Zp}]/u;

describe('escapeControl', () => {
  const rows: readonly (readonly [text: string, shown: string])[] = [
    ['win11', 'win11'],
    ['Größe 漢字 🎮', 'Größe 漢字 🎮'],
    ['two\nlines\r', 'two\\u{a}lines\\u{d}'],
    ['\u001b[2J\u0007', '\\u{1b}[2J\\u{7}'],
    ['\u0000\u007f\u009b', '\\u{0}\\u{7f}\\u{9b}'],
    ['a\u2028b\u2029c', 'a\\u{2028}b\\u{2029}c'],
    ['\u202egnp.exe', '\\u{202e}gnp.exe'],
    ['\u2066a\u2069', '\\u{2066}a\\u{2069}'],
    ['\ufeffa\u200f', '\\u{feff}a\\u{200f}'],
    ['\ud83dx\udc00', '\\u{d83d}x\\u{dc00}'],
    ['\u{e0041}\u200d\u00ad', '\\u{e0041}\\u{200d}\\u{ad}'],
    ['\ufffe\u{10ffff}\ue000', '\\u{fffe}\\u{10ffff}\\u{e000}'],
    ['', ''],
  ];
  for (const [text, shown] of rows) {
    it(`shows ${JSON.stringify(text)} as ${shown}`, () => {
      assert.equal(escapeControl(text), shown);
    });
  }

  it('leaves nothing dangerous in any text, and a harmless text as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const shown = escapeControl(text);
        assert.doesNotMatch(shown, DANGEROUS);
        if (!DANGEROUS.test(text)) assert.equal(shown, text);
        assert.equal(escapeControl(shown), shown);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('quoteName', () => {
  it('puts a name in double quotes, with those inside and backslashes escaped', () => {
    assert.equal(quoteName('win11'), '"win11"');
    assert.equal(quoteName('a "b" \\'), '"a \\"b\\" \\\\"');
    assert.equal(quoteName(''), '""');
    assert.equal(quoteName('a\nb'), '"a\\u{a}b"');
  });

  it('cuts a long name after 100 characters', () => {
    assert.equal(quoteName('x'.repeat(100)), `"${'x'.repeat(100)}"`);
    assert.equal(quoteName('x'.repeat(101)), `"${'x'.repeat(99)}…"`);
    assert.equal(quoteName('🎮'.repeat(101)), `"${'🎮'.repeat(99)}…"`);
  });

  it('never lets a name end its own quotes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 150 }), (name) => {
        const shown = quoteName(name);
        assert.match(shown, /^"(?:[^"\\]|\\.)*"$/su);
        assert.doesNotMatch(shown, DANGEROUS);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('what leaves the program', () => {
  const hostile = '\u001b[2J\u001b[8m\u009b31m\u202e\u2028';
  const shown = '\\u{1b}[2J\\u{1b}[8m\\u{9b}31m\\u{202e}\\u{2028}';

  it('a line keeps our own colours and no other sequence, and stays one line', () => {
    assert.equal(safeLine(`\u001b[31m${hostile}\n\u001b[39m`), `\u001b[31m${shown}\\u{a}\u001b[39m`);
  });

  it('a text keeps its lines, and colours where there are any', () => {
    const text = `\u001b[1ma\u001b[22m\n${hostile}`;
    assert.equal(safeText(text, { colour: true }), `\u001b[1ma\u001b[22m\n${shown}`);
    assert.equal(safeText(text, { colour: false }), `\\u{1b}[1ma\\u{1b}[22m\n${shown}`);
  });

  it('JSON is the same value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const json = safeJson(JSON.stringify([text], null, 2));
        assert.doesNotMatch(json.replaceAll('\n', ''), DANGEROUS);
        assert.deepEqual(JSON.parse(json), [text]);
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
