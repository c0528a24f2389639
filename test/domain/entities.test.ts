import assert from 'node:assert/strict';
import fc from 'fast-check';
import { areReferencesKnown, decodeReferences, isXmlCharacter } from '../../src/domain/entities.ts';

describe('areReferencesKnown and decodeReferences', () => {
  const known: readonly (readonly [text: string, decoded: string])[] = [
    ['', ''],
    ['plain', 'plain'],
    ['&lt;&gt;&amp;&quot;&apos;', '<>&"\''],
    ['&#65;&#x41;&#x4a;&#x4A;', 'AAJJ'],
    ['&#0000000065;', 'A'],
    ['&#9;&#10;&#13;', '\t\n\r'],
    ['&#128512;&#x10FFFF;', '😀\u{10ffff}'],
    ['&amp;amp;', '&amp;'],
    ['&amp;#65;', '&#65;'],
    ['; &amp; ;', '; & ;'],
  ];
  for (const [text, decoded] of known) {
    it(`${text} is ${JSON.stringify(decoded)}`, () => {
      assert.equal(areReferencesKnown(text), true);
      assert.equal(decodeReferences(text), decoded);
    });
  }

  const unknown = [
    '&',
    'a & b',
    '&;',
    '&lt',
    '&nbsp;',
    '&LT;',
    '&toString;',
    '&__proto__;',
    '&#;',
    '&#x;',
    '&#X41;',
    '&#-1;',
  ];
  const notCharacters = [
    '&#0;',
    '&#x1b;',
    '&#xD800;',
    '&#xFFFF;',
    '&#x110000;',
    '&#99999999999;',
    '&#65;&#0;',
  ];
  for (const text of [...unknown, ...notCharacters]) {
    it(`${text} is unknown`, () => {
      assert.equal(areReferencesKnown(text), false);
    });
  }

  it('any text comes back from each way to write it', () => {
    const character = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 1 })
      .filter((c) => isXmlCharacter(c.codePointAt(0)!));
    const named = new Map([
      ['<', '&lt;'],
      ['>', '&gt;'],
      ['&', '&amp;'],
      ['"', '&quot;'],
      ["'", '&apos;'],
    ]);
    const written = fc.tuple(character, fc.constantFrom('plain', 'decimal', 'hex')).map(([text, form]) => {
      const code = text.codePointAt(0)!;
      const plain = named.get(text) ?? text;
      return {
        text,
        xml: form === 'plain' ? plain : form === 'decimal' ? `&#${code};` : `&#x${code.toString(16)};`,
      };
    });
    fc.assert(
      fc.property(fc.array(written), (parts) => {
        const xml = parts.map((part) => part.xml).join('');
        assert.equal(areReferencesKnown(xml), true);
        assert.equal(decodeReferences(xml), parts.map((part) => part.text).join(''));
      }),
    );
  });
});

describe('isXmlCharacter', () => {
  const edges: readonly (readonly [code: number, is: boolean])[] = [
    [0, false],
    [8, false],
    [9, true],
    [10, true],
    [11, false],
    [13, true],
    [31, false],
    [32, true],
    [0xd7ff, true],
    [0xd800, false],
    [0xdfff, false],
    [0xe000, true],
    [0xfffd, true],
    [0xfffe, false],
    [0x10000, true],
    [0x10ffff, true],
    [0x110000, false],
    [NaN, false],
  ];
  for (const [code, is] of edges)
    it(`${code} ${is ? 'is' : 'is not'}`, () => {
      assert.equal(isXmlCharacter(code), is);
    });
});
