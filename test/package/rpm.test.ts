import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { rpm } from '../../scripts/package/rpm.ts';
import { readableVersions } from '../../src/claim/decode.ts';
import { expectGolden } from '../golden.ts';
import { repository } from '../hook/compiled.ts';
import { has, releases, run, skip, succeed, System, withoutHash, type Outcome } from './system.ts';

const HOOK = 'etc/libvirt/hooks/qemu';
const DROP_IN = 'etc/libvirt/hooks/qemu.d/50-vfio-hook';
const PROGRAM = '/usr/sbin/vfio-hook';
const SPEC = 'packaging/rpm/vfio-hook.spec';
const newest = Math.max(...readableVersions);
const SCRIPTS = ['PREIN', 'POSTIN', 'PREUN', 'POSTUN', 'POSTTRANS'];
const hasPolicy = existsSync('/usr/share/selinux/devel/Makefile') && has('make');

describe('the packages for Fedora, EL and openSUSE', function () {
  this.timeout(180_000);
  const { release, remove } = releases();
  let packages: readonly string[] = [];
  let later = '';
  let program = '';

  before(function () {
    if (!has('rpmbuild')) skip(this, 'no rpmbuild here');
    packages = rpm(release(), hasPolicy ? ['--with', 'selinux'] : []);
    [program = ''] = packages;
    later = rpm(release('99.1.0'))[0] ?? '';
  });

  after(remove);

  it('the spec says the version and the oldest Node.js of package.json', () => {
    // For who builds from the tarball alone; `npm run package` writes them anew.
    const { version, floor } = release();
    const spec = readFileSync(join(repository, SPEC), 'utf8').split('\n');
    assert.ok(spec.includes(`Version: ${version}`), `${SPEC} does not say: Version: ${version}`);
    assert.ok(
      spec.includes(`%global node_floor ${floor}`),
      `${SPEC} does not say: %global node_floor ${floor}`,
    );
  });

  for (const [name, which] of [
    ['vfio-hook', 0],
    ['vfio-hook-selinux', 1],
  ] as const) {
    it(`${name} has this in it`, function () {
      if (which === 1 && !hasPolicy) skip(this, 'no selinux-policy-dev here');
      const format = '[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}\\n]';
      const files = succeed('rpm', ['-qp', '--qf', format, packages[which] ?? '']);
      expectGolden(`package/golden/rpm/${name}.txt`, withoutHash(files));
    });
  }

  it('two builds are the same, byte for byte', () => {
    const again = rpm(release(), hasPolicy ? ['--with', 'selinux'] : []);
    assert.deepEqual(
      again.map((path) => basename(path)),
      packages.map((path) => basename(path)),
    );
    for (const [index, path] of again.entries())
      assert.ok(readFileSync(path).equals(readFileSync(packages[index] ?? '')), basename(path));
  });

  it('nothing of libvirt’s directory of hooks is in them', () => {
    for (const path of packages) assert.doesNotMatch(succeed('rpm', ['-qlp', path]), /libvirt/);
  });

  it('the scripts are scripts of sh, without what shellcheck finds', () => {
    for (const path of packages) {
      for (const name of SCRIPTS) {
        const input = succeed('rpm', ['-qp', '--qf', `%{${name}}`, path]);
        if (input === '(none)') continue;
        assert.equal(run('sh', ['-n'], { input }).status, 0, `${name} of ${basename(path)}`);
        if (!has('shellcheck')) continue;
        const { status, out } = run('shellcheck', ['--shell=sh', '-'], { input });
        assert.equal(status, 0, `${name} of ${basename(path)}:\n${out}`);
      }
    }
  });

  it('rpmlint has no error and no warning', function () {
    if (!has('rpmlint')) skip(this, 'no rpmlint here');
    const config = join(repository, 'packaging/rpm/rpmlint.toml');
    const { out } = run('rpmlint', ['-c', config, ...packages, join(repository, SPEC)]);
    assert.match(out, / 0 errors, 0 warnings/, out);
  });

  describe('on a system (as root)', () => {
    let system: System;

    before(function () {
      if (process.geteuid?.() !== 0) skip(this, 'not root');
    });

    beforeEach(() => {
      system = new System({ 'usr/sbin': null, sbin: 'usr/sbin' });
    });

    afterEach(() => {
      system.remove();
    });

    const rpmOn = (...args: string[]): Outcome =>
      run('rpm', ['--root', system.root, '--dbpath', '/var/lib/rpm', ...args]);

    const installed = (): string => rpmOn('-qa').out.trim();

    function done(outcome: Outcome): void {
      assert.equal(outcome.status, 0, `${outcome.out}${outcome.err}`);
      // What Debian's rpm says of itself is not about this package.
      const lines = outcome.err.split('\n').filter((line) => line !== '' && !line.startsWith('rpm: '));
      assert.deepEqual(lines, []);
    }

    it('is installed, libvirt’s hook then, and gone without a trace', () => {
      const before = system.named('vfio-hook');
      done(rpmOn('-i', '--nodeps', program));
      assert.equal(system.link(HOOK), PROGRAM);
      assert.ok(system.exists(PROGRAM));
      assert.ok(!system.exists(DROP_IN));
      done(rpmOn('-e', 'vfio-hook'));
      assert.ok(!system.exists(HOOK));
      assert.deepEqual(system.named('vfio-hook'), before);
      assert.equal(installed(), '');
    });

    it('leaves a hook of somebody else alone, and is one of qemu.d', () => {
      system.write(HOOK, '#!/bin/sh\nexit 0\n', 0o755);
      const outcome = rpmOn('-i', '--nodeps', program);
      done(outcome);
      assert.match(outcome.out, /\/etc\/libvirt\/hooks\/qemu is another hook and stays/);
      assert.equal(system.link(DROP_IN), PROGRAM);
      assert.equal(system.read(HOOK), '#!/bin/sh\nexit 0\n');
      done(rpmOn('-e', 'vfio-hook'));
      assert.ok(!system.exists('etc/libvirt/hooks/qemu.d'));
      assert.equal(system.read(HOOK), '#!/bin/sh\nexit 0\n');
    });

    it('is upgraded while a guest holds devices, and stays the hook', () => {
      done(rpmOn('-i', '--nodeps', program));
      system.claim(newest);
      done(rpmOn('-U', '--nodeps', later));
      assert.equal(installed(), 'vfio-hook-99.1.0-1.noarch');
      assert.equal(system.link(HOOK), PROGRAM);
      assert.ok(system.exists('usr/lib/vfio-hook/hook.cjs'));
      assert.equal(system.named('c2177883').length, 1);
    });

    it('is not removed while a guest holds devices', () => {
      done(rpmOn('-i', '--nodeps', program));
      system.claim(newest);
      const refused = rpmOn('-e', 'vfio-hook');
      assert.notEqual(refused.status, 0);
      assert.match(refused.err, /devices are still held by guests \(1\)/);
      assert.equal(system.link(HOOK), PROGRAM);
      assert.ok(system.exists('usr/lib/vfio-hook/hook.cjs'));
      assert.match(installed(), /^vfio-hook-/);
      system.release();
      done(rpmOn('-e', 'vfio-hook'));
      assert.equal(installed(), '');
    });

    it('is not upgraded to a version that cannot read the claims', () => {
      done(rpmOn('-i', '--nodeps', program));
      system.claim(999);
      const refused = rpmOn('-U', '--nodeps', later);
      assert.notEqual(refused.status, 0);
      assert.match(refused.err, /cannot read \/run\/vfio-hook\/claims\/\S+ \(version 999\)/);
      assert.doesNotMatch(installed(), /99\.1\.0/);
    });

    it('is not installed beside what install.sh has installed', () => {
      system.write('usr/local/share/vfio-hook/installed', 'f /usr/local/sbin/vfio-hook\n');
      const refused = rpmOn('-i', '--nodeps', program);
      assert.notEqual(refused.status, 0);
      assert.match(refused.err, /was installed by its install\.sh, with PREFIX=\/usr\/local/);
      assert.equal(installed(), '');
      assert.ok(!system.exists(HOOK));
    });

    it('keeps a configuration that was changed', () => {
      done(rpmOn('-i', '--nodeps', program));
      system.write('etc/vfio-hook/config.yaml', 'log: {level: debug}\n');
      done(rpmOn('-U', '--nodeps', later));
      assert.match(system.read('etc/vfio-hook/config.yaml'), /debug/);
    });
  });
});
