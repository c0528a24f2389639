import assert from 'node:assert/strict';
import { nearestWord } from '../../src/config/nearest.ts';

describe('nearestWord', () => {
  const words = ['match', 'bars', 'driver', 'timeouts', 'log'];
  const table: [word: string, nearest: string | undefined][] = [
    ['match', 'match'],
    ['matc', 'match'],
    ['macth', 'match'],
    ['Match', 'match'],
    ['bar', 'bars'],
    ['drvr', 'driver'],
    ['timeout', 'timeouts'],
    ['logg', 'log'],
    ['l', undefined],
    ['xx', undefined],
    ['hugepages', undefined],
    ['', undefined],
    ['x'.repeat(100_000), undefined],
  ];
  for (const [word, nearest] of table) {
    it(`takes ${JSON.stringify(word.slice(0, 20))} for ${String(nearest)}`, () => {
      assert.equal(nearestWord(word, words), nearest);
    });
  }
});
