import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { installer, type Installer } from './installer.ts';

function put({ root }: Installer, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function link({ root }: Installer, path: string, to: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(to, join(root, path));
}

/** Every file below the root, by path. */
function filesOf({ root }: Installer): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => !lstatSync(join(root, path)).isDirectory())
    .map((path) => `/${path}`)
    .sort();
}

const HOOK = '/etc/libvirt/hooks/qemu';
const PACKAGE = '/usr/share/vfio-hook/package';

describe('install.sh --files', () => {
  it('has what an installation has, but for what is about this host', () => {
    const [packaged, installed] = [installer(), installer()];
    assert.equal(packaged.run(['--files']).status, 0);
    assert.equal(installed.run().status, 0);
    const [inPackage, onHost] = [filesOf(packaged), filesOf(installed)];
    assert.deepEqual(
      inPackage.filter((path) => !onHost.includes(path)),
      ['/usr/lib/vfio-hook/maintainer.sh', PACKAGE],
    );
    assert.deepEqual(
      onHost.filter((path) => !inPackage.includes(path)),
      [HOOK, '/usr/lib/vfio-hook/install.sh', '/usr/share/vfio-hook/installed'],
    );
    assert.ok(existsSync(join(packaged.root, '/etc/vfio-hook/domains')));
  });

  it('asks nothing of the host that the package is made on: no Node, no claims, no earlier hook', () => {
    const it1 = installer();
    put(it1, '/run/vfio-hook/claims/x.json', '{"version": 99}');
    put(it1, HOOK, '#!/bin/sh\n');
    const { status, err } = it1.run(['--files'], { NODE: '/nowhere/node' });
    assert.deepEqual([status, err], [0, '']);
    assert.match(
      readFileSync(join(it1.root, '/usr/sbin/vfio-hook'), 'utf8'),
      /^chosen_node='\/nowhere\/node'$/m,
    );
    assert.equal(readFileSync(join(it1.root, HOOK), 'utf8'), '#!/bin/sh\n');
  });

  it('names the first place where Node is looked for, when none is named', () => {
    const it1 = installer();
    assert.equal(it1.run(['--files'], { NODE: '' }).status, 0);
    assert.match(
      readFileSync(join(it1.root, '/usr/sbin/vfio-hook'), 'utf8'),
      /^chosen_node='\/usr\/bin\/node'$/m,
    );
  });

  it('needs DESTDIR', () => {
    const { status, err } = installer().run(['--files'], { DESTDIR: '' });
    assert.equal(status, 1);
    assert.match(err, /^install\.sh: error: --files makes the contents of a package, and needs DESTDIR\n$/);
  });

  it('puts the command where a distribution has its commands', () => {
    const it1 = installer();
    assert.equal(it1.run(['--files'], { SBINDIR: '/usr/bin' }).status, 0);
    const [program] = filesOf(it1).filter((path) => path.endsWith('bin/vfio-hook'));
    assert.equal(program, '/usr/bin/vfio-hook');
    const unit = readFileSync(join(it1.root, '/usr/lib/systemd/system/vfio-hook-recover.service'), 'utf8');
    assert.match(unit, /^ExecStart=\/usr\/bin\/vfio-hook recover$/m);
    for (const wrong of ['bin', '/usr/bin/x', '/usr/a b/bin', '/usr/libexec'])
      assert.match(it1.run(['--files'], { SBINDIR: wrong }).err, /^install\.sh: error: SBINDIR /);
  });
});

describe('install.sh and packages', () => {
  it('refuses beside a package, and names the command that removes it', () => {
    const it1 = installer();
    assert.equal(it1.run(['--files'], { REMOVE: 'apt remove vfio-hook' }).status, 0);
    const before = filesOf(it1);
    for (const args of [[], ['--uninstall']]) {
      const { status, out, err } = it1.run(args);
      assert.deepEqual([status, out], [1, '']);
      assert.equal(
        err,
        'install.sh: error: vfio-hook is installed by a package of the distribution\n' +
          'install.sh: hint: upgrade it by the package manager\n' +
          'install.sh: hint: or remove it first: apt remove vfio-hook\n',
      );
    }
    assert.deepEqual(filesOf(it1), before);
  });

  it('knows its own link behind those of others', () => {
    const it1 = installer();
    link(it1, HOOK, '/etc/alternatives/libvirt-hook-qemu');
    link(it1, '/etc/alternatives/libvirt-hook-qemu', '../../usr/sbin/vfio-hook');
    const { status, out } = it1.run();
    assert.equal(status, 0);
    assert.match(out, /^linked \S+\/etc\/libvirt\/hooks\/qemu -> \/usr\/sbin\/vfio-hook$/m);
    assert.equal(readlinkSync(join(it1.root, HOOK)), '/usr/sbin/vfio-hook');
    assert.ok(!existsSync(join(it1.root, '/etc/libvirt/hooks/qemu.kept-by-vfio-hook')));
  });

  it('keeps what is behind links and is no vfio-hook, also where links go in a circle', () => {
    for (const behind of ['/usr/local/sbin/other', '/etc/alternatives/libvirt-hook-qemu']) {
      const it1 = installer();
      link(it1, HOOK, '/etc/alternatives/libvirt-hook-qemu');
      link(it1, '/etc/alternatives/libvirt-hook-qemu', behind);
      assert.match(it1.run().out, /^kept \S+\/etc\/libvirt\/hooks\/qemu as /m);
    }
  });
});

describe('install.sh that was installed', () => {
  it('uninstalls without the directory that it came from', () => {
    const it1 = installer();
    assert.equal(it1.run([], { SBINDIR: '/usr/bin' }).status, 0);
    rmSync(dirname(it1.script), { recursive: true });
    const { status, stderr } = spawnSync(
      'sh',
      [join(it1.root, '/usr/lib/vfio-hook/install.sh'), '--uninstall'],
      { env: it1.env, encoding: 'utf8' },
    );
    assert.deepEqual([status, stderr], [0, '']);
    assert.deepEqual(filesOf(it1), []);
  });
});
