import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installer } from './installer.ts';

/** Lines of a terminal that has the usual size. */
const SCREEN = 24;

describe('install.sh: what it says', () => {
  it('a dry run fits on a screen, also over another hook, and at the end', () => {
    const it1 = installer();
    mkdirSync(join(it1.root, 'etc/libvirt/hooks'), { recursive: true });
    writeFileSync(join(it1.root, 'etc/libvirt/hooks/qemu'), '#!/bin/sh\n', { mode: 0o755 });
    for (const args of [['--dry-run'], [], ['--uninstall', '--dry-run']]) {
      const { status, out, err } = it1.run(args);
      assert.equal(status, 0, err);
      const lines = out.trimEnd().split('\n');
      if (args.includes('--dry-run')) assert.ok(lines.length < SCREEN, String(lines.length));
      // Every file counts, those of a directory together.
      const files = lines.flatMap(
        (line) => /^(?:would )?(?:install|remove)(?:ed|d)? (?:(\d+) files in )?\//.exec(line)?.[1] ?? [],
      );
      assert.ok(files.length > 0 && files.every((count) => Number(count) > 1));
    }
  });

  it('on this system as well', function () {
    const { status, out, err } = installer().run(['--dry-run'], { DESTDIR: '', PREFIX: '/usr' });
    if (status !== 0) {
      console.warn(`        skipped: ${err}`);
      this.skip();
    }
    assert.ok(out.trimEnd().split('\n').length < SCREEN, out);
  });

  it('with DESTDIR no line says that something of the system itself was touched', () => {
    const it1 = installer();
    mkdirSync(join(it1.root, 'etc/libvirt/hooks'), { recursive: true });
    writeFileSync(join(it1.root, 'etc/libvirt/hooks/qemu'), '#!/bin/sh\n', { mode: 0o755 });
    for (const args of [['--dry-run'], [], ['--uninstall', '--dry-run'], ['--uninstall'], ['--uninstall']]) {
      const { out } = it1.run(args);
      const touched = out
        .split('\n')
        .filter((line) => /^(?:would |installed|removed|kept|linked|put|there is)/.test(line));
      assert.ok(touched.length > 0);
      for (const line of touched) assert.match(line, new RegExp(` ${it1.root}/`));
    }
  });

  it('an installation with another PREFIX is noticed, also when only a drop-in of qemu.d leads to it', () => {
    for (const prefix of ['/usr/local', '/opt/vfio']) {
      const it1 = installer();
      assert.equal(it1.run([], { PREFIX: prefix }).status, 0);
      const sentence = `install.sh: error: vfio-hook is installed with PREFIX=${prefix}, and this is PREFIX=/usr\n`;
      const [install, uninstall] = [it1.run(), it1.run(['--uninstall'])];
      assert.deepEqual(
        [install.status, install.out, install.err],
        [
          1,
          '',
          `${sentence}install.sh: hint: to replace it: PREFIX=${prefix} ./install.sh\n` +
            `install.sh: hint: to move it, first: PREFIX=${prefix} ./install.sh --uninstall\n`,
        ],
      );
      assert.deepEqual(
        [uninstall.status, uninstall.out, uninstall.err],
        [1, '', `${sentence}install.sh: hint: PREFIX=${prefix} ./install.sh --uninstall\n`],
      );
    }
  });
});
