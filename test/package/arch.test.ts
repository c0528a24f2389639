import assert from 'node:assert/strict';
import { chownSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { arch } from '../../scripts/package/arch.ts';
import { readableVersions } from '../../src/claim/decode.ts';
import { expectGolden } from '../golden.ts';
import { repository } from '../hook/compiled.ts';
import { has, releases, run, skip, succeed, System, withoutHash, type Outcome } from './system.ts';

const HOOK = 'etc/libvirt/hooks/qemu';
const PROGRAM = '/usr/bin/vfio-hook';
const BUILD = 'packaging/arch/PKGBUILD';
const newest = Math.max(...readableVersions);
/** makepkg refuses to run as root. */
const NOBODY = 65_534;
const own = process.geteuid?.() === 0 ? NOBODY : (process.geteuid?.() ?? NOBODY);

describe('the package for Arch Linux', function () {
  this.timeout(180_000);
  const { release, remove } = releases();

  /** Lays out what makepkg needs, for a user who is not root; returns the directory. */
  function layOut(version?: string): string {
    const made = release(version);
    const directory = join(made.work, 'arch');
    mkdirSync(directory);
    for (const path of [...arch(made), made.tarball]) copyFileSync(path, join(directory, basename(path)));
    if (own === NOBODY) {
      for (const path of ['', ...readdirSync(directory)]) chownSync(join(directory, path), NOBODY, NOBODY);
    }
    return directory;
  }

  function build(directory: string): string {
    const user = own === NOBODY ? { uid: NOBODY } : {};
    succeed('env', ['SOURCE_DATE_EPOCH=1704067200', 'PKGEXT=.pkg.tar.gz', 'makepkg', '--force', '--nodeps'], {
      cwd: directory,
      ...user,
    });
    const [name = ''] = readdirSync(directory).filter((each) => each.endsWith('.pkg.tar.gz'));
    return join(directory, name);
  }

  after(remove);

  it('PKGBUILD says the version and the oldest Node.js of package.json', () => {
    // For who builds from the tarball alone; `npm run package` writes them anew.
    const { version, floor } = release();
    const lines = readFileSync(join(repository, BUILD), 'utf8');
    assert.ok(lines.split('\n').includes(`pkgver=${version}`), `${BUILD} does not say: pkgver=${version}`);
    assert.ok(lines.includes(`'nodejs>=${floor}'`), `${BUILD} does not say: nodejs>=${floor}`);
  });

  it('the functions for pacman are sh, without what shellcheck finds', () => {
    const file = join(repository, 'packaging/arch/vfio-hook.install');
    assert.equal(run('sh', ['-n', file]).status, 0);
    if (!has('shellcheck')) return;
    const { status, out } = run('shellcheck', ['--shell=sh', file]);
    assert.equal(status, 0, out);
  });

  it('the checksum is that of the tarball', function () {
    if (!has('sha256sum')) skip(this, 'no sha256sum here');
    const directory = layOut();
    const [, checksum = ''] =
      /^sha256sums=\('([0-9a-f]{64})'\)$/m.exec(readFileSync(join(directory, 'PKGBUILD'), 'utf8')) ?? [];
    const [tarball = ''] = readdirSync(directory).filter((name) => name.endsWith('.tar.gz'));
    assert.equal(succeed('sha256sum', [tarball], { cwd: directory }), `${checksum}  ${tarball}\n`);
  });

  describe('made by makepkg', () => {
    let directory = '';
    let file = '';

    before(function () {
      for (const program of ['makepkg', 'pacman', 'bsdtar', 'fakeroot'])
        if (!has(program)) skip(this, `no ${program} here`);
      directory = layOut();
      file = build(directory);
    });

    it('the metadata are as makepkg reads them', () => {
      const user = own === NOBODY ? { uid: NOBODY } : {};
      const printed = succeed('makepkg', ['--printsrcinfo'], { cwd: directory, ...user });
      expectGolden('package/golden/arch/srcinfo.txt', printed.replace(/(sha256sums = )\w{64}/, '$1CHECKSUM'));
    });

    it('has this in it', () => {
      const list = succeed('bsdtar', ['-tvf', file])
        .split('\n')
        .filter((line) => line !== '' && !line.endsWith('/'))
        // Mode, owner and path.
        .map((line) => line.split(/\s+/))
        .map((fields) => `${fields[0] ?? ''} ${fields[2] ?? ''}:${fields[3] ?? ''} /${fields.at(-1) ?? ''}`);
      expectGolden('package/golden/arch/vfio-hook.txt', withoutHash(`${list.join('\n')}\n`));
      assert.ok(!list.some((line) => line.includes('libvirt')), 'nothing of libvirt’s directory');
    });

    describe('on a system (as root)', () => {
      let system: System;

      before(function () {
        if (process.geteuid?.() !== 0) skip(this, 'not root');
      });

      beforeEach(() => {
        system = new System({ 'usr/sbin': 'bin', sbin: 'usr/bin' });
        mkdirSync(system.path('var/lib/pacman'));
      });

      afterEach(() => {
        system.remove();
      });

      const pacman = (...args: string[]): Outcome =>
        run('pacman', [
          ...['--root', system.root, '--dbpath', system.path('var/lib/pacman'), '--config', '/dev/null'],
          ...['--hookdir', system.path('usr/share/libalpm/hooks'), '--logfile', '/dev/null'],
          ...args,
        ]);
      const install = (path: string): Outcome => pacman('--noconfirm', '-dd', '-U', path);
      const uninstall = (): Outcome => pacman('--noconfirm', '-R', 'vfio-hook');

      function done({ status, out, err }: Outcome): void {
        assert.equal(status, 0, `${out}${err}`);
        assert.doesNotMatch(`${out}${err}`, /error|warning/);
      }

      it('is installed, libvirt’s hook then, and gone without a trace', () => {
        done(install(file));
        assert.equal(system.link(HOOK), PROGRAM);
        done(uninstall());
        assert.ok(!system.exists(HOOK));
        assert.deepEqual(system.named('vfio-hook'), []);
      });

      it('leaves a hook of somebody else alone, and is one of qemu.d', () => {
        system.write(HOOK, '#!/bin/sh\nexit 0\n', 0o755);
        done(install(file));
        assert.equal(system.link('etc/libvirt/hooks/qemu.d/50-vfio-hook'), PROGRAM);
        assert.equal(system.read(HOOK), '#!/bin/sh\nexit 0\n');
        done(uninstall());
        assert.ok(!system.exists('etc/libvirt/hooks/qemu.d'));
      });

      it('is upgraded while a guest holds devices, and not removed', () => {
        done(install(file));
        system.claim(newest);
        done(install(build(layOut('99.1.0'))));
        assert.match(pacman('-Q').out, /99\.1\.0/);
        assert.equal(system.link(HOOK), PROGRAM);
        const refused = uninstall();
        assert.notEqual(refused.status, 0);
        assert.match(`${refused.out}${refused.err}`, /devices are still held by guests \(1\)/);
        assert.equal(system.link(HOOK), PROGRAM);
        assert.ok(existsSync(system.path('usr/lib/vfio-hook/hook.cjs')));
        system.release();
        done(uninstall());
        assert.deepEqual(system.named('vfio-hook'), []);
      });
    });
  });
});
