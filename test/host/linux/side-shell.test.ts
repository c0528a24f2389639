import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WriteResult } from '../../../src/host/host.ts';
import { linuxHostBeside } from '../../../src/host/linux/host.ts';
import { isAlive, startTimeOf } from '../../../src/host/linux/processes.ts';
import { shellAt, sideShell, type SideShell } from '../../../src/host/linux/side-shell.ts';
import { blockedWrites } from '../../../src/host/linux/writers.ts';
import { until } from '../../until.ts';
import { runningPrograms } from './running.ts';
import { shellArguments, startShell, type StartedShell } from './started-shell.ts';

const program = fileURLToPath(new URL('processes/beside-silent-shell.ts', import.meta.url));

describe('the shell beside', () => {
  const { directory, start } = runningPrograms();
  let started: StartedShell;
  let shell: SideShell;
  const path = (name: string): string => join(directory(), name);

  beforeEach(() => {
    started = startShell(directory());
    shell = shellAt(started.pid, started.pipes);
  });
  afterEach(async () => {
    await started.end();
  });

  const write = async (at: string, value: string): Promise<WriteResult> => {
    const result = await shell.write(at, value, 10_000);
    assert.ok(result);
    return result;
  };

  /** A pipe that is full, so that a write to it waits, as the kernel would; `drain` reads all and lets it go on. */
  function fullPipe(name: string): { readonly at: string; readonly drain: () => Promise<string> } {
    const at = path(name);
    execFileSync('mkfifo', [at]);
    const fd = openSync(at, constants.O_RDWR | constants.O_NONBLOCK);
    const block = Buffer.alloc(4096, '.');
    try {
      for (;;) writeSync(fd, block);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
    }
    return {
      at,
      drain: async () => {
        let text = '';
        await until(() => {
          try {
            text += block.toString('latin1', 0, readSync(fd, block));
          } catch {
            // Nothing more for now.
          }
          return text.endsWith('\n');
        });
        closeSync(fd);
        return text.slice(text.lastIndexOf('....') + 4);
      },
    };
  }

  describe('write', () => {
    it('writes a value and a newline, in one write', async () => {
      writeFileSync(path('attribute'), 'longer than that\n');
      assert.deepEqual(await write(path('attribute'), 'a  b\\n$(id)`id` "*"'), { kind: 'written' });
      assert.equal(readFileSync(path('attribute'), 'utf8'), 'a  b\\n$(id)`id` "*"\n');
      assert.deepEqual(await write(path('attribute'), ''), { kind: 'written' });
      assert.equal(readFileSync(path('attribute'), 'utf8'), '\n');
    });

    const refusals: readonly (readonly [what: string, at: () => string, errno: string])[] = [
      ['a file that is not there', () => path('none'), 'ENOENT'],
      ['an attribute that is not there', () => '/sys/bus/pci/none', 'ENOENT'],
      ['a directory', () => directory(), 'EISDIR'],
      ['what the kernel refuses', () => '/dev/full', 'ENOSPC'],
    ];
    for (const [what, at, errno] of refusals) {
      it(`says ${errno} for ${what}`, async () => {
        assert.deepEqual(await write(at(), 'x'), { kind: 'refused', errno });
      });
    }

    it('is not asked what it cannot be told', async () => {
      assert.equal(await shell.write(path('a\nb'), 'x', 1000), undefined);
      assert.equal(await shell.write(path('a'), 'x\ny', 1000), undefined);
    });

    it('makes many at once, each with its own end', async () => {
      const made = Array.from({ length: 40 }, (_, index) => {
        const at = index % 3 === 0 ? '/dev/full' : path(`attribute ${index}`);
        if (index % 3 !== 0) writeFileSync(at, '');
        return write(at, `value ${index}`);
      });
      for (const [index, result] of (await Promise.all(made)).entries()) {
        if (index % 3 === 0) assert.deepEqual(result, { kind: 'refused', errno: 'ENOSPC' });
        else {
          assert.deepEqual(result, { kind: 'written' });
          assert.equal(readFileSync(path(`attribute ${index}`), 'utf8'), `value ${index}\n`);
        }
      }
    });

    it('leaves one that does not return behind, which is known again, and makes others meanwhile', async () => {
      const { at, drain } = fullPipe('attribute');
      const result = await shell.write(at, '0000:03:00.1', 200);
      assert.ok(result?.kind === 'stuck');
      const { writer } = result;
      assert.notEqual(writer.pid, started.pid);
      assert.ok(isAlive(writer));
      const blocked = (): unknown => blockedWrites().filter(({ path: each }) => each === at);
      if (process.getuid?.() === 0)
        assert.deepEqual(blocked(), [{ path: at, value: '0000:03:00.1', writer }]);

      writeFileSync(path('other'), '');
      assert.deepEqual(await write(path('other'), 'x'), { kind: 'written' });
      const unlock = shell.lock(path('other'), 0);
      assert.ok(typeof unlock === 'function');

      await started.end();
      assert.ok(isAlive(writer), 'it goes on without its shell');
      assert.equal(spawnSync('flock', ['-n', path('other'), 'true']).status, 0, 'and has no lock');
      assert.equal(await drain(), '0000:03:00.1\n', 'it takes effect late');
      await until(() => !isAlive(writer));
      assert.deepEqual(blocked(), []);
    });

    it('does not take the late answer of one for that of another', async () => {
      const { at, drain } = fullPipe('attribute');
      assert.equal((await shell.write(at, 'x', 50))?.kind, 'stuck');
      const next = write('/dev/full', 'y');
      await drain();
      assert.deepEqual(await next, { kind: 'refused', errno: 'ENOSPC' });
      assert.deepEqual(await write('/dev/full', 'y'), { kind: 'refused', errno: 'ENOSPC' });
    });

    it('is asked no more once it has ended; then this process writes itself', async () => {
      writeFileSync(path('attribute'), '');
      started.process.kill('SIGKILL');
      await once(started.process, 'close');
      assert.equal(await shell.write(path('attribute'), 'x', 1000), undefined);
      const host = linuxHostBeside(shell);
      assert.deepEqual(await host.write(path('attribute'), 'by dd', 10_000), { kind: 'written' });
      assert.deepEqual(await host.readLocked([path('attribute')], 10_000), {
        kind: 'read',
        texts: new Map([[path('attribute'), 'by dd']]),
      });
      const slow = await host.readSlow(path('attribute'), 2, 10_000);
      assert.ok(slow.kind === 'read');
      assert.equal(Buffer.from(slow.bytes ?? []).toString(), 'by');
    });

    it('that was killed before it came to a request has not done it', async () => {
      started.process.kill('SIGSTOP');
      const writing = shell.write('/dev/full', 'x', 10_000);
      const reading = shell.readLocked(['/dev/full'], 10_000);
      const slow = shell.readSlow('/dev/full', 1, 10_000);
      started.process.kill('SIGKILL');
      assert.deepEqual(await Promise.all([writing, reading, slow]), [undefined, undefined, undefined]);
    });

    it('does not know how one ended whose process was killed', async () => {
      const { at } = fullPipe('attribute');
      const writing = write(at, 'x');
      await until(() => blockedWrites().some(({ path: each }) => each === at));
      for (const { path: each, writer } of blockedWrites()) {
        if (each === at) process.kill(writer.pid, 'SIGKILL');
      }
      started.process.kill('SIGKILL');
      assert.deepEqual(await writing, { kind: 'refused', errno: 'EIO' });
    });

    it('heeds no signal for the group of the hook', async () => {
      writeFileSync(path('attribute'), '');
      await write(path('attribute'), 'it has begun');
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) started.process.kill(signal);
      assert.deepEqual(await write(path('attribute'), 'x'), { kind: 'written' });
    });
  });

  describe('readLocked', () => {
    it('reads the first line of each file, and leaves out those that are not there', async () => {
      writeFileSync(path('a'), '  two  words \\ \nmore\n');
      writeFileSync(path('b'), 'no end of line');
      const read = await shell.readLocked([path('a'), path('none'), path('b')], 10_000);
      assert.deepEqual(read, {
        kind: 'read',
        texts: new Map([
          [path('a'), '  two  words \\ '],
          [path('b'), 'no end of line'],
        ]),
      });
      assert.deepEqual(await shell.readLocked([], 10_000), { kind: 'read', texts: new Map() });
    });

    it('throws for any other error, and for a file in which there is nothing', async () => {
      writeFileSync(path('a'), 'x\n');
      await assert.rejects(shell.readLocked([path('a'), directory()], 10_000), {
        code: 'VH_KERNEL',
        message: `cannot read ${directory()}: EISDIR (is a directory)`,
      });
      writeFileSync(path('empty'), '');
      await assert.rejects(shell.readLocked([path('empty')], 10_000), {
        code: 'VH_KERNEL',
        message: `cannot read ${path('empty')}: it is empty`,
      });
    });

    it('names the file that it waits for', async () => {
      writeFileSync(path('a'), 'x\n');
      execFileSync('mkfifo', [path('waits')]);
      const read = await shell.readLocked([path('a'), path('waits'), path('b')], 200);
      assert.deepEqual(read, { kind: 'stuck', path: path('waits') });
      writeFileSync(path('waits'), 'late\n');
      assert.deepEqual(await shell.readLocked([path('a')], 10_000), {
        kind: 'read',
        texts: new Map([[path('a'), 'x']]),
      });
    });
  });

  describe('readSlow', () => {
    it('reads bytes', async () => {
      const bytes = Uint8Array.from({ length: 300 }, (_, index) => index % 256);
      writeFileSync(path('config'), bytes);
      for (const length of [1, 15, 16, 17, 299, 300, 4096]) {
        const read = await shell.readSlow(path('config'), length, 10_000);
        assert.ok(read?.kind === 'read');
        assert.deepEqual(Uint8Array.from(read.bytes ?? []), bytes.subarray(0, length));
      }
      writeFileSync(path('empty'), '');
      const none = await shell.readSlow(path('empty'), 15, 10_000);
      assert.deepEqual(none, { kind: 'read', bytes: Buffer.alloc(0) });
    });

    it('knows what is not there from what cannot be read', async () => {
      assert.deepEqual(await shell.readSlow(path('none'), 15, 10_000), { kind: 'read' });
      await assert.rejects(shell.readSlow(directory(), 15, 10_000), { code: 'VH_KERNEL', errno: 'EISDIR' });
    });

    it('does not wait for a file that does not answer', async () => {
      execFileSync('mkfifo', [path('waits')]);
      assert.deepEqual(await shell.readSlow(path('waits'), 15, 100), { kind: 'stuck', path: path('waits') });
      writeFileSync(path('waits'), 'late');
    });
  });

  describe('lock', () => {
    const isFree = (name: string): boolean => spawnSync('flock', ['-n', path(name), 'true']).status === 0;
    const locked = (name: string, waitMs = 0): (() => void) => {
      writeFileSync(path(name), '');
      const unlock = shell.lock(path(name), waitMs);
      assert.ok(typeof unlock === 'function');
      return unlock;
    };

    it('has a lock until it is given up, and each by itself', () => {
      const first = locked('first');
      const second = locked('second', 1000);
      assert.deepEqual([isFree('first'), isFree('second')], [false, false]);
      first();
      assert.deepEqual([isFree('first'), isFree('second')], [true, false]);
      second();
      assert.equal(isFree('second'), true);
    });

    it('waits for one that somebody has, no longer than it may', async () => {
      writeFileSync(path('taken'), '');
      const script = 'exec 9<"$0" && flock 9 && exec sleep 60';
      const other = await start('sh', ['-c', script, path('taken')]);
      await until(() => !isFree('taken'));
      assert.equal(shell.lock(path('taken'), 0), 'busy');
      const began = performance.now();
      assert.equal(shell.lock(path('taken'), 120), 'busy');
      assert.ok(performance.now() - began >= 100);
      process.kill(other, 'SIGKILL');
      assert.ok(typeof shell.lock(path('taken'), 10_000) === 'function');
    });

    it('cannot take one whose file cannot be opened, and keeps the others', () => {
      locked('first');
      assert.equal(shell.lock(path('none'), 0), undefined);
      assert.equal(isFree('first'), false);
    });

    it('has none any more when this process ends', async () => {
      locked('first');
      await started.end();
      assert.equal(isFree('first'), true);
    });

    it('tells when it was killed and the locks are gone', async () => {
      locked('first');
      started.process.kill('SIGKILL');
      await once(started.process, 'close');
      assert.throws(() => shell.lock(path('first'), 0), { code: 'VH_LOCK' });
    });

    it('that was killed with no lock is only asked no more', async () => {
      locked('first')();
      started.process.kill('SIGKILL');
      await once(started.process, 'close');
      assert.equal(shell.lock(path('first'), 0), undefined);
    });
  });

  describe('of which nothing comes', () => {
    for (const [how, status, said] of [
      ['late', 0, 'stuck\n'],
      ['throws', 1, ''],
    ] as const) {
      it(`keeps nobody from ending: ${how}`, async () => {
        for (const name of ['to', 'from', 'about']) execFileSync('mkfifo', [path(name)]);
        const ends = ['to', 'from', 'about'].map((name) => openSync(path(name), constants.O_RDWR));
        const [requests, answers, locks] = ends as [number, number, number];
        const child = spawn(process.execPath, ['--import=tsx', program, how], {
          stdio: ['ignore', 'pipe', 'ignore', 'ignore', requests, answers, 'ignore', locks],
        });
        let text = '';
        child.stdout?.on('data', (data: Buffer) => (text += data.toString()));
        const [ended] = (await once(child, 'close')) as [number];
        for (const fd of ends) closeSync(fd);
        assert.deepEqual([ended, text], [status, said]);
      });
    }
  });
});

describe('blockedWrites of the shell beside', () => {
  const { directory, start } = runningPrograms();
  before(function () {
    if (process.getuid?.() !== 0) this.skip();
  });

  it('believes no other program, and no shell that has nothing open', async () => {
    writeFileSync(join(directory(), 'attribute'), '');
    const fd = openSync(join(directory(), 'attribute'), 'w');
    const stdio = ['pipe', 'ignore', 'ignore', 'ignore', 'ignore', 'ignore', 'ignore', fd] as const;
    const others = [
      await start('bash', shellArguments),
      await start('bash', [...shellArguments.slice(0, -1), 'another-name'], { stdio: [...stdio] }),
      await start('bash', [...shellArguments], { stdio: [...stdio], uid: 65_534 }),
    ];
    const pid = await start('bash', shellArguments, { stdio: [...stdio] });
    closeSync(fd);
    const found = blockedWrites().filter(({ writer }) => [...others, pid].includes(writer.pid));
    assert.deepEqual(found, [
      { path: join(directory(), 'attribute'), value: 'bash', writer: { pid, startTime: startTimeOf(pid) } },
    ]);
  });

  it('names attributes of devices as this program does', async function () {
    const at = '/sys/bus/pci/devices';
    const [device] = spawnSync('ls', [at], { encoding: 'utf8' }).stdout.split('\n');
    if (!device) this.skip();
    const fd = openSync(`${at}/${device}/vendor`, 'r');
    const pid = await start('bash', shellArguments, {
      stdio: ['pipe', 'ignore', 'ignore', 'ignore', 'ignore', 'ignore', 'ignore', fd],
    });
    closeSync(fd);
    const [found] = blockedWrites().filter(({ writer }) => writer.pid === pid);
    assert.equal(found?.path, `${at}/${device}/vendor`);
  });
});

describe('sideShell', () => {
  it('is there when the launcher says so', () => {
    for (const value of ['', 'x', '-1', '0', '1.5', '1e400']) {
      assert.equal(sideShell({ VFIO_HOOK_SIDE_SHELL: value }), undefined);
    }
    assert.equal(sideShell({}), undefined);
    assert.ok(sideShell({ VFIO_HOOK_SIDE_SHELL: '4711' }));
  });
});
