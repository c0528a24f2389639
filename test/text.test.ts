import assert from 'node:assert/strict';
import fc from 'fast-check';
import { escapeControl, quoteName } from '../src/text.ts';

/** Whatever could drive a terminal, forge a line or turn the direction of writing. */
const DANGEROUS = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;

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
