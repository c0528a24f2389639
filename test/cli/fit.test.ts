import assert from 'node:assert/strict';
import { columnsOf, shorten, wrap } from '../../src/cli/fit.ts';

describe('columnsOf', () => {
  const texts: Readonly<Record<string, number>> = {
    '': 0,
    'GA102 [GeForce]': 15,
    naïve: 5,
    'nai\u0308ve': 5,
    日本: 4,
    한글: 4,
    '🖥': 2,
    '…': 1,
  };
  for (const [text, columns] of Object.entries(texts)) {
    it(`${JSON.stringify(text)} takes ${columns}`, () => {
      assert.equal(columnsOf(text), columns);
    });
  }
});

describe('shorten', () => {
  it('leaves what fits', () => {
    assert.equal(shorten('GA102', 5), 'GA102');
  });

  it('cuts, says so, and never takes more than there is', () => {
    assert.equal(shorten('GA102 [GeForce RTX 3090]', 10), 'GA102 [Ge…');
    assert.equal(shorten('GA102 GeForce', 7), 'GA102…');
    assert.equal(shorten('日本語', 4), '日…');
  });
});

describe('wrap', () => {
  it('breaks at blanks', () => {
    assert.deepEqual(wrap('one two three four', 9), ['one two', 'three', 'four']);
  });

  it('keeps a word that is too long', () => {
    assert.deepEqual(wrap('see /sys/bus/pci/devices/0000:01:00.0 there', 10), [
      'see',
      '/sys/bus/pci/devices/0000:01:00.0',
      'there',
    ]);
  });

  it('breaks nothing when there is no terminal', () => {
    assert.deepEqual(wrap('one two three four', undefined), ['one two three four']);
  });
});
