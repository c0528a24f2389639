import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { directoryOfPrograms, temporaryDirectory } from '../hook/compiled.ts';
import { installer } from './installer.ts';

function needsRoot(context: Mocha.Context): void {
  if (process.geteuid?.() === 0) return;
  console.warn('        skipped: needs root');
  context.skip();
}

/** A Node that leaves a trace when it is run, alone in a directory of root's. */
function tracingNode(): { readonly directory: string; readonly node: string; readonly trace: string } {
  const directory = join(directoryOfPrograms(), 'bin');
  mkdirSync(directory, { mode: 0o755 });
  chmodSync(join(directory, '..'), 0o755);
  const [node, trace] = [join(directory, 'node'), join(temporaryDirectory(), 'trace')];
  writeFileSync(node, `#!/bin/sh\ntouch '${trace}'\necho v22.1.0\n`, { mode: 0o755 });
  return { directory, node, trace };
}

describe('install.sh runs nothing that somebody else than root can replace', () => {
  it('takes a Node that only root can replace', function () {
    needsRoot(this);
    const { node, trace } = tracingNode();
    assert.deepEqual(installer().run([], { NODE: node }).status, 0);
    assert.ok(existsSync(trace));
  });

  for (const [title, open, found] of [
    [
      'in a directory that everybody may write to',
      (directory: string) => {
        chmodSync(directory, 0o777);
      },
      /others than root may write to (\S+)\/bin \(drwxrwxrwx\)/,
    ],
    [
      'below a directory of another user, as ~/.nvm is',
      (directory: string) => {
        chownSync(join(directory, '..'), 1000, 1000);
      },
      /: (\S+) belongs to uid 1000/,
    ],
  ] as const) {
    it(`refuses one ${title}, and does not run it`, function () {
      needsRoot(this);
      const { directory, node, trace } = tracingNode();
      open(directory);
      const it1 = installer();
      const { status, err } = it1.run([], { NODE: node });
      assert.equal(status, 1);
      assert.match(err, found);
      assert.ok(err.startsWith(`install.sh: error: somebody else than root can replace NODE=${node}: `));
      assert.match(err, /\ninstall\.sh: hint: install Node\.js from a package of your distribution .*\n$/);
      assert.equal(existsSync(trace), false);
      assert.deepEqual(readdirSync(it1.root), []);
    });
  }

  it('looks for no program where the caller’s PATH says, neither Node nor its own', () => {
    const [directory, trace] = [temporaryDirectory(), join(temporaryDirectory(), 'trace')];
    for (const name of ['node', 'nodejs', 'stat', 'sed', 'awk', 'mktemp', 'id', 'cat', 'env', 'readlink'])
      writeFileSync(join(directory, name), `#!/bin/sh\necho ${name} >>'${trace}'\n`, { mode: 0o755 });
    const it1 = installer();
    it1.run([], { NODE: '', PATH: `${directory}:/usr/bin:/bin` });
    it1.run(['--uninstall'], { PATH: `${directory}:/usr/bin:/bin` });
    assert.equal(existsSync(trace), false);
  });

  it('takes a place that is not there yet, by what is above it', () => {
    const { status, out, err } = installer().run(['--dry-run'], { DESTDIR: '', PREFIX: '/not-there/at/all' });
    if (status !== 0) assert.match(err, /^install\.sh: error: vfio-hook is installed with PREFIX=/);
    else assert.match(out, /would install \d files in \/not-there\/at\/all\/lib\/vfio-hook\//);
  }).timeout(20_000);

  it('refuses a place for the program that is not root’s alone, before anything is there', function () {
    needsRoot(this);
    const prefix = join(directoryOfPrograms(), 'prefix');
    mkdirSync(prefix);
    chmodSync(join(prefix, '..'), 0o755);
    chmodSync(prefix, 0o775);
    // DESTDIR empty is this system: a dry run says the same and changes nothing.
    const { status, err } = installer().run(['--dry-run'], { DESTDIR: '', PREFIX: prefix });
    assert.equal(status, 1);
    assert.match(
      err,
      /^install\.sh: error: somebody else than root can replace what is in \S+\/prefix: others than root may /,
    );
    assert.deepEqual(readdirSync(prefix), []);
  });
});
