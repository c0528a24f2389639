import assert from 'node:assert/strict';
import { ageText } from '../../../src/cli/render/age.ts';

describe('ageText', () => {
  const minute = 60_000;
  const rows: readonly (readonly [milliseconds: number, text: string])[] = [
    [0, '0 s'],
    [999, '0 s'],
    [1000, '1 s'],
    [59_999, '59 s'],
    [minute, '1 min'],
    [2 * minute + 3500, '2 min 3 s'],
    [125 * minute, '2 h 5 min'],
    [120 * minute + 59_000, '2 h'],
    [(3 * 24 + 4) * 60 * minute + 59 * minute, '3 d 4 h'],
    [400 * 24 * 60 * minute, '400 d'],
  ];
  for (const [milliseconds, text] of rows) {
    it(`${milliseconds} ms is ${text}`, () => {
      assert.equal(ageText(milliseconds), text);
    });
  }
});
