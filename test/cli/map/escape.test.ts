import assert from 'node:assert/strict';
import { XMLParser } from 'fast-xml-parser';
import fc from 'fast-check';
import { escapeMarkup } from '../../../src/cli/map/escape.ts';
import { isWellFormed } from './well-formed.ts';

const numRuns = Number(process.env['FC_RUNS'] ?? 300);

describe('escapeMarkup', () => {
  const texts: Readonly<Record<string, string>> = {
    'plain ü 日本': 'plain ü 日本',
    '<script>alert(1)</script>': '&lt;script&gt;alert(1)&lt;/script&gt;',
    '" onload="x': '&quot; onload=&quot;x',
    "' & '": '&#39; &amp; &#39;',
    '&amp;': '&amp;amp;',
    ']]>': ']]&gt;',
    'a\u0000b\u001b[2J\u009b': 'a\\u{0}b\\u{1b}[2J\\u{9b}',
    '\u202eevil\ufffe\uffff\ud800': '\\u{202e}evil\\u{fffe}\\u{ffff}\\u{d800}',
  };
  for (const [text, escaped] of Object.entries(texts)) {
    it(JSON.stringify(text), () => {
      assert.equal(escapeMarkup(text), escaped);
    });
  }

  it('whatever the text is, a document that holds it is well-formed, and nothing but the text is in it', () => {
    const parser = new XMLParser({ ignoreAttributes: false, trimValues: false, parseTagValue: false });
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const markup = `<a b="${escapeMarkup(text)}">x${escapeMarkup(text)}</a>`;
        isWellFormed(markup);
        assert.deepEqual(Object.keys(parser.parse(markup) as object), ['a']);
        // eslint-disable-next-line no-control-regex -- what XML does not allow
        assert.doesNotMatch(markup, /[\u0000-\u001f\ufffe\uffff]/);
      }),
      { numRuns },
    );
  });
});
