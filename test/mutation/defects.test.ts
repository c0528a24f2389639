import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { defects } from './defects.ts';

describe('the list of seeded defects', () => {
  for (const { name, file, find, replace } of defects) {
    it(`is in step with src/${file}: ${name}`, () => {
      const text = readFileSync(new URL(`../../src/${file}`, import.meta.url), 'utf8');
      assert.equal(text.split(find).length - 1, 1, `this must be there exactly once: ${find}`);
      assert.notEqual(find, replace);
    });
  }

  it('has at least 60, each with a name of its own, and few that no test can tell', () => {
    assert.ok(defects.length >= 60);
    assert.equal(new Set(defects.map(({ name }) => name)).size, defects.length);
    assert.ok(defects.filter(({ survives }) => survives !== undefined).length <= defects.length / 20);
  });
});
