import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { guestProcess, libvirtDaemons } from '../../../src/host/linux/libvirt.ts';
import { childOf, NOBODY, runningPrograms } from './running.ts';

/*
 * What of libvirt runs is known from what only root can have made. Needs root, to make it.
 */

const UUID = '7d0c1e0a-54b2-4c7e-9a55-0d3b8f1c2a01';
const QEMU = 'qemu-system-x86_64';

function needsRoot(): void {
  before(function () {
    if (process.getuid?.() !== 0) this.skip();
  });
}

describe('libvirtDaemons', () => {
  const { named, start, directory } = runningPrograms();
  needsRoot();

  it('finds those of root, and no other program and no other user’s of such a name', async () => {
    const daemons = [await named('libvirtd'), await named('virtqemud')];
    const strangers = [
      await named('libvirtd.old'),
      await start(join(directory(), 'libvirtd'), ['-F', '/dev/null'], { uid: NOBODY, stdio: 'ignore' }),
    ];
    const found = libvirtDaemons();
    assert.deepEqual(
      daemons.map((pid) => found.includes(pid)),
      [true, true],
    );
    assert.deepEqual(
      strangers.map((pid) => found.includes(pid)),
      [false, false],
    );
  });

  it('finds none in a PID namespace of its own: a container’s libvirt starts no guest of this host', async () => {
    await named('libvirtd');
    const program = join(directory(), 'libvirtd');
    const outer = await start('unshare', ['--pid', '--fork', '--kill-child', program, '-F', '/dev/null'], {
      stdio: 'ignore',
    });
    assert.equal(libvirtDaemons().includes(await childOf(outer)), false);
  });
});

describe('guestProcess', () => {
  const { named, start, directory } = runningPrograms();
  needsRoot();

  const guests = (): string => join(directory(), 'libvirt/qemu');

  /** As libvirt makes it, once the process is there. */
  function pidFile(guest: string, pid: number | string): string {
    mkdirSync(guests(), { recursive: true });
    const file = join(guests(), `${guest}.pid`);
    writeFileSync(file, String(pid));
    return file;
  }

  const found = (guest = 'win11'): number | undefined => guestProcess(guest, guests())?.pid;

  it('is the process in the guest’s file, with the UUID that it was started with', async () => {
    const pid = await named(QEMU, ['-name', 'guest=win11,debug-threads=on', '-uuid', UUID]);
    pidFile('win11', `${pid}\n`);
    assert.deepEqual(guestProcess('win11', guests()), {
      pid,
      name: 'qemu-system-x86',
      guest: 'win11',
      uuid: UUID,
    });
    assert.equal(found('win'), undefined);
  });

  it('is found by a name as strange as libvirt takes', async () => {
    const pid = await named('qemu-kvm');
    for (const name of ['..', '.hidden', '--help', 'a b\n', 'x'.repeat(251), '$(id)']) {
      pidFile(name, pid);
      assert.equal(found(name), pid, name);
    }
    assert.equal(found('../qemu/..'), undefined);
    assert.equal(found('x'.repeat(300)), undefined);
  });

  it('is nobody who only looks like one', async () => {
    await named(QEMU, ['-name', 'guest=win11,debug-threads=on', '-uuid', UUID], { uid: NOBODY });
    assert.equal(found(), undefined);
  });

  it('is nobody while the file or a directory above it may be somebody else’s', async () => {
    const pid = await named(QEMU);
    const file = pidFile('win11', pid);
    for (const path of [file, guests(), dirname(guests())]) {
      const mode = path === file ? 0o644 : 0o755;
      chmodSync(path, mode | 0o020);
      assert.equal(found(), undefined, path);
      chmodSync(path, mode);
      chownSync(path, NOBODY, 0);
      assert.equal(found(), undefined, path);
      chownSync(path, 0, 0);
      assert.equal(found(), pid);
    }
    symlinkSync(file, join(guests(), 'link.pid'));
    assert.equal(found('link'), undefined);
  });

  it('is not the process that has the number now, when the one that it was written for is gone', async () => {
    const pid = await named(QEMU);
    const file = pidFile('win11', pid);
    const before = Date.now() / 1000 - 3600;
    utimesSync(file, before, before);
    assert.equal(found(), undefined);
    pidFile('win11', 2 ** 22 + 1);
    assert.equal(found(), undefined);
  });

  it('is not the daemon, whose own file beside them is named as that of a guest would be', async () => {
    pidFile('driver', await named('libvirtd'));
    assert.equal(found('driver'), undefined);
  });

  it('is not one of a container', async () => {
    await named(QEMU);
    const program = join(directory(), QEMU);
    const outer = await start('unshare', ['--pid', '--fork', '--kill-child', program, '-F', '/dev/null'], {
      stdio: 'ignore',
    });
    pidFile('win11', await childOf(outer));
    assert.equal(found(), undefined);
  });

  it('is nobody when the file says nothing that is a number', async () => {
    for (const text of ['', '12 13', '-1', 'x', '99999999999']) {
      pidFile('win11', text);
      assert.equal(found(), undefined, text);
    }
    await Promise.resolve();
  });
});
