import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { repository } from '../hook/compiled.ts';
import { installer, type Installer } from './installer.ts';

const HOOK = '/etc/libvirt/hooks/qemu';
const KEPT = '/etc/libvirt/hooks/qemu.kept-by-vfio-hook';
const WRAPPER = '/etc/libvirt/hooks/qemu.d/00-kept-by-vfio-hook';

const dispatcher = readFileSync(join(repository, 'test/install/dispatcher'), 'utf8');

/** Other spellings of the same, as they are in use. */
const spellings = [
  'HOOKPATH="$BASEDIR/qemu.d/$GUEST_NAME/$HOOK_NAME/$STATE_NAME"',
  'hook=/etc/libvirt/hooks/qemu.d/${1}/${2}/${3}',
  'exec "$dir/qemu.d/$1/$2/$3/run" "$@"',
];

function withHook(text: string): Installer {
  const it1 = installer();
  mkdirSync(dirname(join(it1.root, HOOK)), { recursive: true });
  writeFileSync(join(it1.root, HOOK), text, { mode: 0o755 });
  return it1;
}

function succeeds(it1: Installer, ...args: readonly string[]): string {
  const { status, out, err } = it1.run(args);
  assert.equal(status, 0, err);
  return out;
}

const has = ({ root }: Installer, path: string): boolean => existsSync(join(root, path));

describe('install.sh where another hook runs scripts of guests', () => {
  it('lets it go on, and says how to take its place', () => {
    const it1 = withHook(dispatcher);
    assert.match(succeeds(it1), /to run them in its place: \.\/install\.sh --scripts\n/);
    assert.ok(has(it1, WRAPPER));
  });

  for (const spelling of spellings) {
    it(`knows ${spelling}`, () => {
      assert.match(succeeds(withHook(`#!/bin/bash\n${spelling}\n`), '--dry-run'), /--scripts\n/);
    });
  }

  it('with --scripts nothing calls it any more; it is kept, also by another installation, and comes back at the end', () => {
    const it1 = withHook(dispatcher);
    const out = succeeds(it1, '--scripts');
    assert.match(out, /the scripts in \S+\/qemu\.d\/GUEST are run by vfio-hook from now on\n/);
    for (const again of [[], ['--scripts']]) {
      assert.deepEqual([has(it1, KEPT), has(it1, WRAPPER)], [true, false]);
      assert.doesNotMatch(succeeds(it1, ...again), /from now on|in its place/);
    }
    succeeds(it1, '--uninstall');
    assert.equal(readFileSync(join(it1.root, HOOK), 'utf8'), dispatcher);
    assert.deepEqual([has(it1, KEPT), has(it1, WRAPPER)], [false, false]);
  });

  it('takes its place later, too', () => {
    const it1 = withHook(dispatcher);
    succeeds(it1);
    assert.match(succeeds(it1, '--scripts', '--dry-run'), /would be run by vfio-hook/);
    assert.ok(has(it1, WRAPPER));
    assert.match(succeeds(it1, '--scripts'), /run by vfio-hook from now on/);
    assert.deepEqual([has(it1, KEPT), has(it1, WRAPPER)], [true, false]);
  });

  it('takes the place of no hook that does something else, nor of none', () => {
    for (const it1 of [withHook('#!/bin/sh\necho "$1" >> /tmp/guests\n'), installer()]) {
      const { status, err } = it1.run(['--scripts']);
      assert.equal(status, 1);
      assert.match(err, /no hook that only runs scripts|there is no earlier hook/);
      assert.ok(!has(it1, KEPT));
    }
  });

  it('--scripts is for installing', () => {
    assert.equal(installer().run(['--scripts', '--uninstall']).status, 2);
  });
});
