import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectGolden } from '../golden.ts';
import { repository, temporaryDirectory } from '../hook/compiled.ts';
import { fileOf, makePackages, output, withoutVersions } from './packages.ts';
import { has, skip } from './system.ts';

const { version, engines } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly engines: { readonly node: string };
};

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** The control file, or another one of dpkg's, of a package. */
function control(deb: string, name: string): string {
  return output('sh', '-c', 'dpkg-deb --ctrl-tarfile "$1" | tar -xO "./$2"', 'sh', deb, name);
}

describe('npm run package', () => {
  let packages = '';

  before(function () {
    if (!has('dpkg-deb')) skip(this, 'no dpkg-deb here');
    packages = makePackages('tarball', 'deb', 'npm');
  });

  it('gives the same bytes each time, and says their checksums', () => {
    const again = makePackages('tarball', 'deb', 'npm');
    assert.deepEqual(readdirSync(packages).sort(), [
      'SHA256SUMS',
      `vfio-hook-${version}.cdx.json`,
      `vfio-hook-${version}.tar.gz`,
      `vfio-hook-${version}.tgz`,
      `vfio-hook_${version}_all.deb`,
    ]);
    for (const name of readdirSync(packages))
      assert.equal(sha256(join(packages, name)), sha256(join(again, name)), `${name} differs`);
    output('sh', '-c', 'cd "$1" && sha256sum --quiet --check SHA256SUMS', 'sh', packages);
  });

  it('makes only what is asked for, and knows what there is', () => {
    assert.deepEqual(readdirSync(makePackages('npm')), [
      'SHA256SUMS',
      `vfio-hook-${version}.cdx.json`,
      `vfio-hook-${version}.tgz`,
    ]);
    const { status, stderr } = spawnSync(
      process.execPath,
      ['--import', 'tsx', 'scripts/package.ts', '--only', 'flatpak'],
      { cwd: repository, encoding: 'utf8' },
    );
    assert.equal(status, 1);
    assert.match(stderr, /^package: error: no package is called flatpak; there are tarball, deb, .*\n$/);
  });

  it('removes nothing from a directory that is not its own, and leaves nothing when it fails', () => {
    const run = (out: string, env: Readonly<Record<string, string>> = {}): ReturnType<typeof spawnSync> =>
      spawnSync(process.execPath, ['--import', 'tsx', 'scripts/package.ts', '--only', 'deb', '--out', out], {
        cwd: repository,
        encoding: 'utf8',
        env: { ...process.env, ...env },
      });
    const mine = temporaryDirectory();
    writeFileSync(join(mine, 'letter'), '');
    const { status, stderr } = run(mine);
    assert.equal(status, 1);
    assert.match(
      String(stderr),
      /^package: error: \S+ is not empty: packages go into a directory of their own\n$/,
    );
    assert.deepEqual(readdirSync(mine), ['letter']);
    const out = join(temporaryDirectory(), 'packages');
    const failed = run(out, { SOURCE_DATE_EPOCH: 'yesterday' });
    assert.equal(failed.status, 1);
    assert.match(
      String(failed.stderr),
      /^package: error: SOURCE_DATE_EPOCH is no number of seconds: yesterday\n$/,
    );
    assert.equal(existsSync(out), false);
  });

  it('puts these files into the release', () => {
    const list = output('tar', '-tzf', fileOf(packages, '.tar.gz'));
    expectGolden('package/golden/tarball.txt', withoutVersions(list));
  });

  it('puts the same files into the tarball of npm', () => {
    const files = (tarball: string): string[] =>
      output('tar', '-tzf', tarball)
        .split('\n')
        .filter((path) => path !== '' && !path.endsWith('/'))
        .map((path) => path.replace(/^[^/]+\//, ''))
        .sort();
    assert.deepEqual(files(fileOf(packages, '.tgz')), files(fileOf(packages, '.tar.gz')));
  });

  it('a release installs with Node and nothing else, and runs', () => {
    const work = temporaryDirectory();
    output('tar', '-xzf', fileOf(packages, '.tar.gz'), '-C', work);
    const script = join(work, `vfio-hook-${version}`, 'install.sh');
    const root = join(work, 'root');
    mkdirSync(root);
    const { status, stderr } = spawnSync('sh', [script], {
      env: { PATH: '/usr/bin:/bin', DESTDIR: root, NODE: process.execPath },
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    const hook = join(root, 'usr/lib/vfio-hook/hook.cjs');
    assert.equal(output(process.execPath, hook, 'vfio-hook', '--version'), `vfio-hook ${version}\n`);
  });

  describe('the package for Debian', () => {
    it('has these files, with these modes, all of root', () => {
      const list = output('dpkg-deb', '--contents', fileOf(packages, '.deb'))
        .split('\n')
        .map((line) => line.replace(/ +\d+ \d{4}-\d\d-\d\d \d\d:\d\d /, ' '))
        .join('\n');
      expectGolden('package/golden/deb.txt', withoutVersions(list));
    });

    it('ships nothing that is libvirt’s hook', () => {
      assert.doesNotMatch(output('dpkg-deb', '--contents', fileOf(packages, '.deb')), /libvirt\/hooks/);
    });

    it('needs the oldest Node that the program runs on', () => {
      const floor = engines.node.replace('>=', '');
      const fields = control(fileOf(packages, '.deb'), 'control');
      assert.ok(fields.includes(`\nDepends: nodejs (>= ${floor}), kmod\n`), fields);
      assert.ok(fields.includes(`\nVersion: ${version}\n`));
    });

    it('has checksums of all files but those that are yours to change', () => {
      const deb = fileOf(packages, '.deb');
      const work = temporaryDirectory();
      output('dpkg-deb', '--extract', deb, work);
      writeFileSync(join(work, 'sums'), control(deb, 'md5sums'));
      output('sh', '-c', 'cd "$1" && md5sum --quiet --check sums', 'sh', work);
      const summed = control(deb, 'md5sums').trimEnd().split('\n').length;
      const files = readdirSync(work, { recursive: true, withFileTypes: true }).filter((entry) =>
        entry.isFile(),
      );
      const conffiles = control(deb, 'conffiles');
      assert.equal(conffiles, '/etc/logrotate.d/vfio-hook\n');
      assert.equal(summed, files.length - 2);
    });

    it('has no error and no warning of lintian', function () {
      this.timeout(240_000);
      if (!has('lintian')) skip(this, 'no lintian here');
      const { stdout } = spawnSync(
        'lintian',
        ['--no-cfg', '--fail-on', 'error,warning', '--allow-root', fileOf(packages, '.deb')],
        { encoding: 'utf8' },
      );
      assert.equal(stdout.replace(/^running with root.*\n/, ''), '');
    });

    it('its scripts are read by every sh', () => {
      const deb = fileOf(packages, '.deb');
      for (const name of ['preinst', 'postinst', 'prerm', 'postrm']) {
        const { status, stderr } = spawnSync('sh', ['-n'], { input: control(deb, name), encoding: 'utf8' });
        assert.equal(status, 0, `${name}: ${stderr}`);
        const { error, stdout } = spawnSync('shellcheck', ['-'], {
          input: control(deb, name),
          encoding: 'utf8',
        });
        if (!error) assert.equal(stdout, '', name);
      }
    });
  });

  it('the bill of materials has each package that is bundled, with the checksum that npm has checked', () => {
    const bill = JSON.parse(readFileSync(fileOf(packages, '.cdx.json'), 'utf8')) as {
      readonly bomFormat: string;
      readonly specVersion: string;
      readonly components: readonly {
        readonly name: string;
        readonly version: string;
        readonly purl: string;
        readonly hashes: readonly { readonly alg: string; readonly content: string }[];
        readonly licenses: readonly { readonly license: { readonly id: string } }[];
      }[];
    };
    assert.deepEqual([bill.bomFormat, bill.specVersion], ['CycloneDX', '1.6']);
    const licences = readFileSync(join(repository, 'dist/THIRD-PARTY-LICENCES.txt'), 'utf8');
    const named = [...licences.matchAll(/^(\S+) (\d\S*) \((\S+)\)$/gm)].map(([, ...fields]) => fields);
    assert.ok(named.length > 10);
    assert.deepEqual(
      bill.components.map(({ name, version: its, licenses }) => [name, its, licenses[0]?.license.id]),
      named,
    );
    const lock = readFileSync(join(repository, 'package-lock.json'), 'utf8');
    for (const { name, version: its, purl, hashes } of bill.components) {
      assert.equal(purl, `pkg:npm/${name.replace('@', '%40')}@${its}`);
      const [hash] = hashes;
      assert.equal(hash?.alg, 'SHA-512');
      assert.ok(lock.includes(`"sha512-${Buffer.from(hash.content, 'hex').toString('base64')}"`), name);
    }
  });
});
