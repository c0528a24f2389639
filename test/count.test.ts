import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { count, plural } from '../src/count.ts';

const sources = fileURLToPath(new URL('../src', import.meta.url));

describe('numbers in texts for people', () => {
  it('none, one and several', () => {
    assert.deepEqual(
      [0, 1, 2].map((number) => count(number, 'file')),
      ['no files', '1 file', '2 files'],
    );
  });

  it('irregular plurals, and verbs', () => {
    assert.deepEqual(
      [0, 1, 2].map((number) => count(number, 'more group has', 'more groups have')),
      ['no more groups have', '1 more group has', '2 more groups have'],
    );
    assert.deepEqual([plural(1, 'is', 'are'), plural(2, 'is', 'are')], ['is', 'are']);
  });

  it('are written by these functions, not by words of their own', () => {
    const own = readdirSync(sources, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && path !== 'count.ts')
      .flatMap((path) =>
        readFileSync(join(sources, path), 'utf8')
          .split('\n')
          .filter((line) => OWN_PLURAL.test(line) && !line.includes('expected at most'))
          .map((line) => `${path}: ${line.trim()}`),
      );
    assert.deepEqual(own, []);
  });
});

/** `${list.length} files`, `=== 1 ? 'is' : 'are'`. */
const OWN_PLURAL =
  /\$\{[^{}]*\.(?:length|size)\} (?:[A-Za-z]+ )?[a-z]+s\b|=== 1 \? ['`]\w* ?\w*['`] : ['`]\w* ?\w+['`]/;
