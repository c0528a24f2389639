import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository, temporaryDirectory } from '../hook/compiled.ts';

const script = join(repository, 'scripts/install-if-missing.sh');

/** A project whose PATH has only these programs, each a text of sh; what it says when a script of it begins. */
function begin(programs: Readonly<Record<string, string>>, installed = true) {
  const project = temporaryDirectory();
  if (installed) mkdirSync(join(project, 'node_modules/esbuild'), { recursive: true });
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(project, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(project, name), 0o755);
  }
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-euc', `. '${script}'; echo goes on`], {
    cwd: project,
    env: { PATH: project },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describe('what every script of the project begins with', () => {
  const goesOn = { status: 0, stdout: 'goes on\n', stderr: '' };

  for (const version of ['v20.19.0', 'v20.20.2', 'v22.1.0', 'v100.0.0'])
    it(`takes Node.js ${version}`, () => {
      assert.deepEqual(begin({ node: `echo ${version}` }), goesOn);
    });

  for (const [what, programs, found] of [
    ['one that is too old', { node: 'echo v18.19.1', npm: 'echo npm was run' }, 'v18.19.1'],
    ['one that is a little too old', { node: 'echo v20.18.3' }, 'v20.18.3'],
    ['one that is very old', { node: 'echo v8.0.0' }, 'v8.0.0'],
    ['none', {}, 'there is none'],
    ['something else', { node: 'echo hello' }, 'hello'],
  ] as const)
    it(`refuses ${what} in words, before npm does`, () => {
      const { status, stdout, stderr } = begin(programs, false);
      assert.deepEqual([status, stdout], [1, '']);
      assert.match(
        stderr,
        /^error: building and testing takes Node\.js 20\.19 or later, and the node of PATH is: (.*)\nhint: /,
      );
      assert.ok(stderr.split('\n')[0]?.endsWith(`: ${found}`), stderr);
    });

  it('installs what the lock file says when it is not there, and runs no script of a package', () => {
    const programs = { node: 'echo v20.19.0', npm: 'echo "$@"' };
    assert.equal(begin(programs, false).stdout, 'ci --ignore-scripts --no-audit --no-fund\ngoes on\n');
    assert.deepEqual(begin(programs), goesOn);
  });

  it('is read by each of them that needs what is installed', () => {
    for (const name of ['scripts/test.sh', 'scripts/demo.sh', 'scripts/bench.sh', 'test/lab/run.sh'])
      assert.match(
        readFileSync(join(repository, name), 'utf8'),
        /^\. scripts\/install-if-missing\.sh$/m,
        name,
      );
  });
});
