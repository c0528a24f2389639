import assert from 'node:assert/strict';
import { cpSync, symlinkSync, writeFileSync } from 'node:fs';
import { System, releases, run, skip, type Outcome } from '../package/system.ts';

/** What install.sh runs besides what maintainer scripts do. */
const MORE = [
  'awk',
  'basename',
  'chmod',
  'cmp',
  'env',
  'find',
  'id',
  'mktemp',
  'mv',
  'stat',
  'tr',
  'uname',
  'wc',
];

describe('install.sh where /usr is read-only (as root)', function () {
  this.timeout(120_000);
  const { release, remove } = releases();
  let system: System;

  before(function () {
    if (process.geteuid?.() !== 0) skip(this, 'not root');
    if (run('unshare', ['--mount', 'true']).status !== 0) skip(this, 'no mount namespaces here');
  });

  beforeEach(() => {
    system = new System({ 'usr/sbin': null, sbin: 'usr/sbin', 'var/usrlocal': null, opt: null }, [
      ...MORE,
      process.execPath,
    ]);
    cpSync(release().tree, system.path('var/release'), { recursive: true });
  });

  afterEach(() => {
    system.remove();
  });

  after(remove);

  /** Runs install.sh in the root, whose /usr is a file system of its own that is read-only. */
  function install(settings: string, ...args: string[]): Outcome {
    const script = [
      'set -e',
      'mount --make-rprivate /',
      'mount --bind "$1/usr" "$1/usr"',
      'mount -o remount,bind,ro "$1/usr"',
      // It really is.
      'if touch "$1/usr/x" 2>/dev/null; then exit 99; fi',
      `exec chroot "$1" /bin/env ${settings} sh /var/release/install.sh ${args.join(' ')}`,
    ];
    return run('unshare', ['--mount', 'sh', '-c', script.join('\n'), 'sh', system.root]);
  }

  it('says so before anything is done, and which places there are', () => {
    const before = system.named('');
    const { status, out, err } = install('HOME=/');
    assert.equal(status, 1, `${out}${err}`);
    assert.equal(out, '');
    assert.match(
      err,
      /^install\.sh: error: \/usr\/sbin cannot be written to: the file system is read-only$/m,
    );
    assert.match(err, /^install\.sh: hint: .*PREFIX=\/opt\/vfio-hook \.\/install\.sh$/m);
    assert.doesNotMatch(err, /rpm-ostree/);
    assert.deepEqual(system.named(''), before);
  });

  it('on an ostree system, names the package, and /usr/local, which is a link to /var', () => {
    symlinkSync('../var/usrlocal', system.path('usr/local'));
    writeFileSync(system.path('run/ostree-booted'), '');
    const { status, err } = install('HOME=/');
    assert.equal(status, 1);
    assert.match(err, /hint: layer the package.*: rpm-ostree install /);
    assert.match(err, /hint: .*PREFIX=\/usr\/local \.\/install\.sh$/m);
  });

  for (const [prefix, units] of [
    ['/usr/local', '/var/usrlocal/lib/systemd/system'],
    ['/opt/vfio-hook', '/etc/systemd/system'],
  ] as const) {
    it(`with PREFIX=${prefix} it is installed, and removed`, () => {
      symlinkSync('../var/usrlocal', system.path('usr/local'));
      const before = system.named('');
      const installed = install(`PREFIX=${prefix} NODE=/usr/bin/node`);
      assert.equal(installed.status, 0, `${installed.out}${installed.err}`);
      assert.equal(system.link('etc/libvirt/hooks/qemu'), `${prefix}/sbin/vfio-hook`);
      assert.ok(system.exists(`${units}/vfio-hook-recover.service`));
      const removed = install(`PREFIX=${prefix}`, '--uninstall');
      assert.equal(removed.status, 0, `${removed.out}${removed.err}`);
      const left = system.named('').filter((path) => !before.includes(path));
      // The locks of this boot, and the configuration, which is the owner's.
      assert.deepEqual(
        left.filter((path) => !/^(?:run\/vfio-hook|etc\/vfio-hook)/.test(path)),
        [],
      );
    });
  }

  it('a /usr that can be written to is taken as ever', () => {
    const script = 'exec chroot "$1" /bin/env NODE=/usr/bin/node sh /var/release/install.sh --dry-run';
    const { status, err } = run('sh', ['-c', script, 'sh', system.root]);
    assert.equal(status, 0, err);
  });
});
