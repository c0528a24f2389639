import assert from 'node:assert/strict';
import { durationBounds, parseDuration } from '../../src/config/duration.ts';

describe('parseDuration', () => {
  const table: [text: string, milliseconds: number | undefined][] = [
    ['100ms', 100],
    ['500ms', 500],
    ['1s', 1000],
    ['30s', 30_000],
    ['2m', 120_000],
    ['10m', durationBounds.most],
    ['600s', durationBounds.most],
    ['0030s', 30_000],
    ['99ms', undefined],
    ['0s', undefined],
    ['601s', undefined],
    ['11m', undefined],
    ['9999999ms', undefined],
    ['30', undefined],
    ['1.5s', undefined],
    ['-1s', undefined],
    ['30 s', undefined],
    ['30S', undefined],
    ['1h', undefined],
    ['', undefined],
    ['30s\n', undefined],
  ];
  for (const [text, milliseconds] of table) {
    it(`reads ${JSON.stringify(text)} as ${String(milliseconds)}`, () => {
      assert.equal(parseDuration(text), milliseconds);
    });
  }
});
