import assert from 'node:assert/strict';
import { XMLValidator } from 'fast-xml-parser';
import {
  DEEPEST_NESTING,
  LONGEST_DOCUMENT,
  MOST_ATTRIBUTES,
  MOST_ELEMENTS,
  outlineXml,
} from '../../src/domain/outline.ts';
import { captures, examples, refusalOf } from './documents.ts';

describe('outlineXml', () => {
  describe('cuts a well-formed document', () => {
    const cases: readonly (readonly [
      title: string,
      xml: string,
      root: string,
      startTag: string,
      children: readonly string[],
    ])[] = [
      ['children', '<a x="1"><b/><c>t</c></a>', 'a', '<a x="1">', ['<b/>', '<c>t</c>']],
      ['an empty root', '<a x="1"/>', 'a', '<a x="1">', []],
      ['an empty root with a blank', '<a />', 'a', '<a >', []],
      ['nested elements of one name', '<a><b><b/></b><b/></a>', 'a', '<a>', ['<b><b/></b>', '<b/>']],
      ['prefixes', '<x:a xmlns:x="u"><x:b/></x:a>', 'x:a', '<x:a xmlns:x="u">', ['<x:b/>']],
      ['both quotes and a ">" in values', `<a><b c=">'" d='">'/></a>`, 'a', '<a>', [`<b c=">'" d='">'/>`]],
      ['white space in tags', '<a\n><b\tc\r\n=\n"1"\n/></a\n>', 'a', '<a\n>', ['<b\tc\r\n=\n"1"\n/>']],
      [
        'comments and CDATA with markup',
        '<a><!-- </a> --><b><![CDATA[</b>]]></b></a>',
        'a',
        '<a>',
        ['<b><![CDATA[</b>]]></b>'],
      ],
      ['comments around the root', '<!-- <b> --><a/><!-- & -->\n', 'a', '<a>', []],
      ['a declaration', '<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n<a/>', 'a', '<a>', []],
      [
        'a processing instruction in metadata',
        "<a><metadata><?x '?></metadata></a>",
        'a',
        '<a>',
        ["<metadata><?x '?></metadata>"],
      ],
      ['text, references, lone ">" and quotes', '<a>x &amp; &#65; &#x41; > " \' ]]</a>', 'a', '<a>', []],
      ['names of other scripts', '<a><größe 値="1"/></a>', 'a', '<a>', ['<größe 値="1"/>']],
    ];
    for (const [title, xml, root, startTag, children] of cases) {
      it(title, () => {
        const outline = outlineXml(xml);
        assert.deepEqual([outline.root, outline.startTag], [root, startTag]);
        assert.deepEqual(
          outline.children.map((child) => child.xml),
          children,
        );
      });
    }
  });

  describe('cuts the children of the root, too', () => {
    const cases: readonly (readonly [
      title: string,
      xml: string,
      startTag: string,
      children: readonly string[],
    ])[] = [
      ['with elements of all kinds', '<a><b x="1"><c/>t<d>u</d></b></a>', '<b x="1">', ['<c/>', '<d>u</d>']],
      ['with nothing', '<a><b x="1"/></a>', '<b x="1">', []],
      ['with text alone', '<a><b >t</b ></a>', '<b >', []],
      ['with what is deeper', '<a><b><b><b><c/></b></b></b></a>', '<b>', ['<b><b><c/></b></b>']],
      ['with a decoy', '<a><b><!--<c/>--><![CDATA[<c/>]]><c y=">"/></b></a>', '<b>', ['<c y=">"/>']],
      ['behind another one', '<a><z><y/></z><b><c/></b></a>', '<b>', ['<c/>']],
    ];
    for (const [title, xml, startTag, children] of cases) {
      it(title, () => {
        const child = outlineXml(xml).children.at(-1);
        assert.equal(child?.startTag, startTag);
        assert.deepEqual(
          child.children.map((each) => each.xml),
          children,
        );
        assert.deepEqual(
          child.children.map(({ name }) => name),
          children.map((each) => /\w+/.exec(each)?.[0]),
        );
      });
    }

    for (const { title, xml } of [...examples(), ...captures()]) {
      it(`${title}: nothing between them but text and comments`, () => {
        for (const child of outlineXml(xml).children) {
          const rest = child.children.reduce((text, each) => text.replace(each.xml, ''), child.xml);
          assert.doesNotMatch(
            rest.replace(child.startTag.slice(0, -1), '').replace(/<!--[^]*?-->|<!\[CDATA\[[^]*?\]\]>/g, ''),
            /<[^/]/,
          );
        }
      });
    }
  });

  describe('refuses what is not one well-formed document', () => {
    const cases: readonly (readonly [title: string, xml: string, message: string])[] = [
      ['nothing', '', 'it is empty, expected <domain>'],
      ['blanks', ' \n', 'it is empty, expected <domain>'],
      ['a comment alone', '<!-- a -->', 'it is empty, expected <domain>'],
      ['plain text', 'hello', 'found text outside the root element, expected <domain> (line 1)'],
      ['a number', '42', 'found text outside the root element, expected <domain> (line 1)'],
      ['a byte order mark', '\ufeff<a/>', 'found text outside the root element, expected <domain> (line 1)'],
      ['text before the root', 'x<a/>', 'found text outside the root element, expected <domain> (line 1)'],
      ['text after the root', '<a/>\n\nx', 'found text outside the root element, expected <domain> (line 1)'],
      [
        'a reference after the root',
        '<a/>&#32;',
        'found text outside the root element, expected <domain> (line 1)',
      ],
      ['two roots', '<a></a><b></b>', 'found a second root element <b> after <a> (line 1)'],
      ['two empty roots', '<a/>\n<a/>', 'found a second root element <a> after <a> (line 2)'],
      ['an element that is not closed', '<a><b></a>', 'found </a>, expected </b> (line 1)'],
      ['an end tag too many', '<a/></a>', 'found </a> without <a> (line 1)'],
      ['an end at the wrong place', '<a><b>', 'it ends inside <b>, expected </b>'],
      ['an end in a start tag', '<a', 'the tag <a> is malformed after its attributes (line 1)'],
      ['an end in a value', '<a b="', 'the tag <a> is malformed after its attributes (line 1)'],
      ['an end in an end tag', '<a></a', 'the end tag </a> is not closed (line 1)'],
      ['an end in a comment', '<a/><!-- ', 'it ends inside a comment (line 1)'],
      ['an end in CDATA', '<a><![CDATA[x', 'it ends inside a CDATA section (line 1)'],
      ['an end after "<"', '<a><', 'found no name after "<" (line 1)'],
      ['an end tag with attributes', '<a></a b="1">', 'the end tag </a> is not closed (line 1)'],
      ['an empty end tag', '<a></a/>', 'the end tag </a> is not closed (line 1)'],
      ['capitals in an end tag', '<a></A>', 'found </A>, expected </a> (line 1)'],
      ['an attribute twice', "<a b='1' b='2'/>", '<a> has the attribute b twice (line 1)'],
      ['an attribute without value', '<a b/>', 'the tag <a> is malformed after its attributes (line 1)'],
      ['an attribute without quotes', '<a b=1/>', 'the tag <a> is malformed after its attributes (line 1)'],
      [
        'attributes without a blank',
        "<a b='1'c='2'/>",
        'the tag <a> is malformed after its attributes (line 1)',
      ],
      ['"<" in a value', "<a b='<'/>", 'the tag <a> is malformed after its attributes (line 1)'],
      [
        'an unknown entity',
        '<a>&nbsp;</a>',
        'the text in <a> has a reference that XML does not know, or "]]>" (line 1)',
      ],
      [
        'a lone ampersand',
        '<a>a & b</a>',
        'the text in <a> has a reference that XML does not know, or "]]>" (line 1)',
      ],
      [
        'a reference to NUL',
        '<a>&#0;</a>',
        'the text in <a> has a reference that XML does not know, or "]]>" (line 1)',
      ],
      [
        '"]]>" in text',
        '<a>]]></a>',
        'the text in <a> has a reference that XML does not know, or "]]>" (line 1)',
      ],
      [
        'an unknown entity in a value',
        "<a b='&x;'/>",
        'the attribute b of <a> has a reference that XML does not know (line 1)',
      ],
      ['a name that begins with a digit', '<1a/>', 'found no name after "<" (line 1)'],
      ['a blank after "<"', '< a/>', 'found no name after "<" (line 1)'],
      ['"--" in a comment', '<a><!-- a -- b --></a>', 'found "--" inside a comment (line 1)'],
      ['"<!-->"', '<a><!--></a>', 'it ends inside a comment (line 1)'],
      [
        'a document type',
        '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        'it has a document type (<!DOCTYPE …) (line 1)',
      ],
      [
        'a document type in small letters',
        '<!doctype a><a/>',
        'it has a document type (<!DOCTYPE …) (line 1)',
      ],
      [
        'a document type inside an element',
        '<a>\n<!DOCTYPE a></a>',
        'it has a document type (<!DOCTYPE …) (line 2)',
      ],
      ['another declaration', '<!ELEMENT a EMPTY><a/>', 'found no name after "<" (line 1)'],
      ['CDATA outside the root', '<![CDATA[x]]><a/>', 'found CDATA outside the root element (line 1)'],
      [
        'an instruction that could hide markup',
        "<a><?x '?><b/><?x '?></a>",
        'found a processing instruction (<?…?>) outside <metadata> (line 1)',
      ],
      [
        'an instruction that does not end',
        '<a><metadata><?x',
        'it ends inside a processing instruction (line 1)',
      ],
      [
        'a declaration that is not first',
        ' <?xml version="1.0"?><a/>',
        'found a processing instruction (<?…?>) outside <metadata> (line 1)',
      ],
      [
        'another encoding',
        "<?xml version='1.0' encoding='UTF-16'?><a/>",
        'its encoding is "UTF-16", expected "UTF-8"',
      ],
      ['a NUL', '<a>\0</a>', '"\\u{0}" is no character of XML (line 1)'],
      ['an escape', '<a>\n\n<b c="\u001b[2J"/></a>', '"\\u{1b}" is no character of XML (line 3)'],
      ['half a surrogate pair', '<a>\ud83d</a>', '"\\u{d83d}" is no character of XML (line 1)'],
      ['U+FFFF', '<a>\uffff</a>', '"\\u{ffff}" is no character of XML (line 1)'],
      ['UTF-16 taken for bytes', '<\0a\0/\0>\0', '"\\u{0}" is no character of XML (line 1)'],
    ];
    for (const [title, xml, message] of cases) {
      it(title, () => {
        assert.equal(
          refusalOf(() => outlineXml(xml)),
          message,
        );
      });
    }
  });

  describe('bounds what it reads', () => {
    const nested = (levels: number): string => '<a>'.repeat(levels) + '</a>'.repeat(levels);
    const attributes = (count: number): string =>
      Array.from({ length: count }, (_, i) => ` a${i}=''`).join('');
    const reads = (title: string, xml: string): void => {
      it(`reads ${title}`, () => {
        assert.equal(outlineXml(xml).root, 'a');
      });
    };
    reads('the deepest nesting', nested(DEEPEST_NESTING));
    reads('the most elements', `<a>${'<b/>'.repeat(MOST_ELEMENTS - 1)}</a>`);
    reads('the most attributes', `<a${attributes(MOST_ATTRIBUTES)}/>`);
    reads('the longest document', `<a>${' '.repeat(LONGEST_DOCUMENT - 7)}</a>`);

    const cases: readonly (readonly [title: string, xml: () => string, message: string])[] = [
      [
        'deeper nesting',
        () => nested(DEEPEST_NESTING + 1),
        'elements are nested deeper than 256 levels (line 1)',
      ],
      ['200,000 levels', () => nested(200_000), 'elements are nested deeper than 256 levels (line 1)'],
      [
        'one element more',
        () => `<a>${'<b/>'.repeat(MOST_ELEMENTS)}</a>`,
        'it has more than 100000 elements',
      ],
      [
        'one attribute more',
        () => `<a${attributes(MOST_ATTRIBUTES + 1)}/>`,
        '<a> has more than 256 attributes (line 1)',
      ],
      [
        'one character more',
        () => `<a>${' '.repeat(LONGEST_DOCUMENT - 6)}</a>`,
        'it has 4194305 characters, expected at most 4194304',
      ],
    ];
    for (const [title, xml, message] of cases) {
      it(`refuses ${title}`, () => {
        assert.equal(
          refusalOf(() => outlineXml(xml())),
          message,
        );
      });
    }
  });

  describe("accepts nothing that fast-xml-parser's own validator refuses", () => {
    for (const { title, xml } of [...examples(), ...captures()]) {
      it(title, () => {
        outlineXml(xml);
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- its successor is another package
        assert.equal(XMLValidator.validate(xml), true);
      });
    }
  });
});
