import assert from 'node:assert/strict';
import { childrenNamed, onlyChild, optionalChild, readElement } from '../../src/domain/element.ts';
import { refusalOf } from './documents.ts';

const attribute = (xml: string, name: string): string | undefined => readElement(xml).attributes.get(name);

describe('readElement', () => {
  const values: readonly (readonly [title: string, written: string, value: string])[] = [
    ['a number stays text', '0x03', '0x03'],
    ['a leading zero stays', '08', '08'],
    ['an exponent stays text', '1e3', '1e3'],
    ['blanks stay', ' a ', ' a '],
    ['references are decoded, once', '&amp;lt;&#65;', '&lt;A'],
    ['white space as written is a blank', 'a\tb\nc', 'a b c'],
    ['white space by reference stays', 'a&#9;b&#10;c', 'a\tb\nc'],
    ['">" and the other quote stay', `>"`, `>"`],
    ['an empty value is there', '', ''],
  ];
  for (const [title, written, value] of values) {
    it(`attribute: ${title}`, () => {
      assert.equal(attribute(`<a b='${written}'/>`, 'b'), value);
    });
  }

  it('keeps the order of elements of different names', () => {
    assert.deepEqual(
      readElement('<a><b/><c/><b/></a>').children.map((child) => child.name),
      ['b', 'c', 'b'],
    );
  });

  it('joins text around comments and elements, and takes CDATA as it is', () => {
    assert.equal(readElement('<a>1<!-- 2 -->3<b>4</b>&lt;<![CDATA[&lt;5]]>6</a>').text, '13<&lt;56');
  });

  it('reads attributes with names that JavaScript knows as any other', () => {
    assert.equal(attribute("<a __proto__='1' constructor='2' hasOwnProperty='3'/>", '__proto__'), '1');
    assert.equal(attribute("<a __proto__='1' constructor='2' hasOwnProperty='3'/>", 'constructor'), '2');
    assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  });

  for (const name of ['__proto__', 'constructor', 'prototype']) {
    it(`refuses an element named ${name}, or leaves it harmless`, () => {
      assert.match(
        refusalOf(() => readElement(`<a><${name} polluted='1'/></a>`)),
        /reserved JavaScript keyword/,
      );
      assert.equal(({} as { polluted?: unknown }).polluted, undefined);
    });
  }

  it('refuses an empty document', () => {
    assert.equal(
      refusalOf(() => readElement('')),
      'it has no root element',
    );
  });

  describe('resolves namespaces', () => {
    const cases: readonly (readonly [xml: string, name: string, namespace: string])[] = [
      ['<a><b/></a>', 'b', ''],
      ["<a xmlns='u'><b/></a>", 'b', 'u'],
      ["<a xmlns='u'><b xmlns=''/></a>", 'b', ''],
      ["<a><b xmlns='u'/></a>", 'b', 'u'],
      ["<a xmlns:x='u'><b/></a>", 'b', ''],
      ["<a xmlns:x='u'><x:b/></a>", 'b', 'u'],
      ["<a xmlns:x='u'><x:b xmlns:x='v'/></a>", 'b', 'v'],
      ["<a xmlns:x='u' xmlns='d'><x:b xmlns:y='v'/></a>", 'b', 'u'],
      ['<a><x:b/></a>', 'x:b', ''],
      ["<a xmlns:x='&#117;'><x:b/></a>", 'b', 'u'],
    ];
    for (const [xml, name, namespace] of cases) {
      it(`<b> of ${xml}`, () => {
        const child = readElement(xml).children[0]!;
        assert.deepEqual([child.name, child.namespace], [name, namespace]);
      });
    }
  });
});

describe('children by name', () => {
  const parent = readElement("<a xmlns:x='u'><b id='1'/><x:b id='2'/><b id='3'/><c/></a>");

  it('finds those without a namespace, or of one', () => {
    assert.deepEqual(
      childrenNamed(parent, 'b').map((child) => child.attributes.get('id')),
      ['1', '3'],
    );
    assert.deepEqual(
      childrenNamed(parent, 'b', 'u').map((child) => child.attributes.get('id')),
      ['2'],
    );
    assert.deepEqual(childrenNamed(parent, 'd'), []);
  });

  it('finds the only one', () => {
    assert.equal(onlyChild(parent, 'c', '<a>').name, 'c');
  });
  it('refuses none', () => {
    assert.equal(
      refusalOf(() => onlyChild(parent, 'd', '<a>')),
      '<a> has no <d>, expected exactly one',
    );
  });
  it('refuses two', () => {
    assert.equal(
      refusalOf(() => onlyChild(parent, 'b', '<a>')),
      '<a> has 2 <b>, expected exactly one',
    );
  });
  it('finds the optional one or none', () => {
    assert.equal(optionalChild(parent, 'c', '<a>')?.name, 'c');
    assert.equal(optionalChild(parent, 'd', '<a>'), undefined);
  });
  it('refuses two where one may be', () => {
    assert.equal(
      refusalOf(() => optionalChild(parent, 'b', '<a>')),
      '<a> has 2 <b>, expected at most one',
    );
  });
});
