import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { linuxHost } from '../../../src/host/linux/host.ts';
import { stateDirectory } from '../../scenario.ts';
import { exclusively } from '../../observe/exclusively.ts';

const isRoot = process.getuid?.() === 0;
const program = fileURLToPath(new URL('processes/blocked-writer.ts', import.meta.url));
let directory = '';
const path = (name: string): string => join(directory, name);

beforeEach(() => {
  directory = stateDirectory();
});
afterEach(() => {
  // What a failed test has left waiting would keep the whole run from ending.
  for (const { path: at, writer } of linuxHost.blockedWrites()) {
    if (at.startsWith(directory)) process.kill(writer.pid, 'SIGKILL');
  }
  rmSync(directory, { recursive: true });
});

function fifo(name: string): string {
  execFileSync('mkfifo', [path(name)]);
  return path(name);
}

/** Lets a write to a FIFO go on, and reads what was written. */
function drain(name: string): string {
  return execFileSync('cat', [name], { encoding: 'utf8' });
}

describe('linuxHost reads', () => {
  it('texts, bytes, links and directories', () => {
    writeFileSync(path('attribute'), 'one\ntwo\n');
    symlinkSync('../somewhere/driver', path('link'));
    assert.equal(linuxHost.read(path('attribute')), 'one\ntwo\n');
    assert.deepEqual(linuxHost.readBytes(path('attribute'), 3), new Uint8Array(Buffer.from('one')));
    assert.equal(linuxHost.readBytes(path('attribute'), 100)?.length, 8, 'as much as there is');
    assert.equal(linuxHost.readLink(path('link')), '../somewhere/driver');
    assert.equal(linuxHost.readLink(path('attribute')), undefined, 'it is no link');
    assert.deepEqual(linuxHost.list(directory), ['attribute', 'link']);
  });

  it('a large file as any other', () => {
    const text = 'alias pci:v0000 amdgpu\n'.repeat(60_000);
    writeFileSync(path('modules.alias'), `${text}author=Jürgen\n`);
    const [last = '', ...lines] =
      linuxHost.read(path('modules.alias'), 'large')?.trimEnd().split('\n').reverse() ?? [];
    assert.ok(lines.every((line) => line === 'alias pci:v0000 amdgpu'));
    assert.match(last, /^author=J\S+rgen$/);
    assert.equal(linuxHost.read(path('none'), 'large'), undefined);
    assert.throws(() => linuxHost.read(directory, 'large'), { code: 'VH_KERNEL', errno: 'EISDIR' });
  });

  it('nothing where there is nothing', async () => {
    writeFileSync(path('file'), '');
    for (const missing of [path('none'), path('none/below'), path('file/below')]) {
      assert.equal(linuxHost.read(missing), undefined);
      assert.equal(linuxHost.readBytes(missing, 1), undefined);
      assert.equal(linuxHost.readLink(missing), undefined);
      assert.equal(linuxHost.list(missing), undefined);
      assert.equal(linuxHost.tryOpen(missing), 'absent');
      assert.equal(await exclusively(linuxHost, missing), 'absent');
    }
  });

  it('and throws what is no absence', () => {
    assert.throws(() => linuxHost.read(directory), {
      code: 'VH_KERNEL',
      path: directory,
      errno: 'EISDIR',
      message: `cannot read ${directory}: EISDIR (is a directory)`,
    });
  });

  it('whether a device node can be opened', function () {
    writeFileSync(path('node'), '');
    assert.equal(linuxHost.tryOpen(path('node')), 'free');
    if (isRoot) return;
    chmodSync(path('node'), 0);
    assert.equal(linuxHost.tryOpen(path('node')), 'denied');
  });

  it('whether a block device can be opened exclusively', async function () {
    // Any that nobody uses, of those that are on most machines.
    const names = Array.from({ length: 8 }, (_, index) => `/dev/loop${index}`);
    const answers = await linuxHost.openExclusive(names, 10_000);
    assert.equal(answers.kind, 'opened');
    const node = names.find((each) => answers.answers.get(each) === 'free');
    if (node === undefined) {
      console.warn('        skipped: no loop device that this user may open');
      this.skip();
    }
    const claim = openSync(node, constants.O_RDONLY | constants.O_EXCL);
    try {
      assert.equal(await exclusively(linuxHost, node), 'busy');
    } finally {
      closeSync(claim);
    }
    assert.equal(await exclusively(linuxHost, node), 'free');
  });

  it('an exclusive opening that is refused for another reason', async function () {
    writeFileSync(path('node'), '');
    if (isRoot) {
      console.warn('        skipped: root may open everything');
      this.skip();
    }
    chmodSync(path('node'), 0);
    assert.equal(await exclusively(linuxHost, path('node')), 'denied');
  });

  it('monotonic milliseconds', () => {
    const first = linuxHost.now();
    const second = linuxHost.now();
    assert.ok(second >= first && second - first < 10_000);
  });
});

describe('linuxHost.readLocked', () => {
  it('reads the first lines of several files, leaves out what is absent, and keeps colons and bytes', async () => {
    writeFileSync(path('a'), '(null)\n');
    writeFileSync(path('0000:03:00.0'), 'a:b\nsecond\n');
    writeFileSync(path('blank'), '\n');
    writeFileSync(path('odd'), `${path('a')}: No such file or directory\xff`);
    const wanted = ['a', 'none', '0000:03:00.0', 'a/below', 'blank', 'odd'].map(path);
    assert.deepEqual(await linuxHost.readLocked(wanted, 5000), {
      kind: 'read',
      texts: new Map([
        [path('a'), '(null)'],
        [path('0000:03:00.0'), 'a:b'],
        [path('blank'), ''],
        [path('odd'), `${path('a')}: No such file or directory\xff`],
      ]),
    });
  });

  it('takes nothing for an absence but what says so: an I/O error, a directory, an empty file', async () => {
    writeFileSync(path('a'), '(null)\n');
    writeFileSync(path('empty'), '');
    // Memory of a process at address 0, which is never mapped: EIO (fs/proc/base.c:mem_rw).
    for (const [unread, errno] of [
      ['/proc/self/mem', 'EIO'],
      [directory, 'EISDIR'],
    ] as const) {
      await assert.rejects(linuxHost.readLocked([path('a'), unread], 5000), {
        code: 'VH_KERNEL',
        path: unread,
        errno,
      });
    }
    await assert.rejects(linuxHost.readLocked([path('a'), path('empty')], 5000), {
      code: 'VH_KERNEL',
      path: path('empty'),
      message: `cannot read ${path('empty')}: it is empty, or grep did not read it (status 0)`,
    });
  });

  it('reads a single file, and none', async () => {
    writeFileSync(path('a'), '4\n');
    assert.deepEqual(await linuxHost.readLocked([path('a')], 5000), {
      kind: 'read',
      texts: new Map([[path('a'), '4']]),
    });
    assert.deepEqual(await linuxHost.readLocked([], 5000), { kind: 'read', texts: new Map() });
  });

  it('does not wait for ever, and names the file that hangs, not the first', async () => {
    const pipe = fifo('pipe');
    writeFileSync(path('a'), '1\n');
    writeFileSync(path('z'), '2\n');
    const began = performance.now();
    assert.deepEqual(await linuxHost.readLocked([path('a'), path('none'), pipe, path('z')], 1000), {
      kind: 'stuck',
      path: pipe,
    });
    assert.ok(performance.now() - began < 5000);
    // Ends the reader that was left behind.
    closeSync(openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK));
  });
});

describe('linuxHost.wideRoutes', () => {
  it('tells of each default route that /proc shows', async function () {
    const text = await linuxHost.wideRoutes(5000);
    if (text === undefined) {
      console.warn('        skipped: this machine has no ip(8) that prints JSON');
      this.skip();
    }
    const main = (linuxHost.read('/proc/net/route') ?? '').split('\n').map((line) => line.split('\t'));
    const lists = text.trim().split('\n');
    assert.equal(lists.length, 4);
    for (const [name, destination, , , , , , mask] of main) {
      if (destination !== '00000000' || mask !== '00000000') continue;
      for (const list of lists) assert.match(list, new RegExp(`"dst":"default".*"dev":"${name ?? ''}"`));
    }
  });
});

describe('linuxHost.readSlow', () => {
  it('reads the first bytes as they are, and nothing where there is nothing', async () => {
    writeFileSync(
      path('config'),
      Uint8Array.from({ length: 256 }, (_, index) => 255 - index),
    );
    assert.deepEqual(await linuxHost.readSlow(path('config'), 4, 5000), {
      kind: 'read',
      bytes: Buffer.from([255, 254, 253, 252]),
    });
    assert.deepEqual(await linuxHost.readSlow(path('none'), 4, 5000), { kind: 'read' });
  });

  it('throws what is no absence, and does not wait for ever', async () => {
    await assert.rejects(linuxHost.readSlow('/proc/self/mem', 4, 5000), {
      path: '/proc/self/mem',
      errno: 'EIO',
    });
    const pipe = fifo('pipe');
    assert.deepEqual(await linuxHost.readSlow(pipe, 4, 200), { kind: 'stuck', path: pipe });
    closeSync(openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK));
  });
});

describe('linuxHost.openExclusive', () => {
  it('does not wait for ever, and names the node that hangs', async () => {
    writeFileSync(path('a'), '');
    // Opening it without a writer would not wait, since O_NONBLOCK is given; a file system that does not answer would.
    const opened = await linuxHost.openExclusive([path('a'), path('none')], 10_000);
    assert.deepEqual(opened, {
      kind: 'opened',
      answers: new Map([
        [path('a'), 'free'],
        [path('none'), 'absent'],
      ]),
    });
    assert.deepEqual(await linuxHost.openExclusive([path('a')], 1), { kind: 'stuck', path: path('a') });
    assert.deepEqual(await linuxHost.openExclusive([], 1), { kind: 'opened', answers: new Map() });
  });
});

describe('linuxHost.write', () => {
  it('writes the value and a newline, however short or long', async () => {
    for (const [value, bytes] of [
      ['0000:03:00.0', '0000:03:00.0\n'],
      ['', '\n'],
      ['x'.repeat(4000), `${'x'.repeat(4000)}\n`],
    ] as const) {
      writeFileSync(path('attribute'), '');
      assert.deepEqual(await linuxHost.write(path('attribute'), value, 5000), { kind: 'written' });
      assert.equal(readFileSync(path('attribute'), 'utf8'), bytes);
    }
  });

  it('does not truncate, as sysfs would not', async () => {
    writeFileSync(path('attribute'), 'abcdef');
    await linuxHost.write(path('attribute'), 'x', 5000);
    assert.equal(readFileSync(path('attribute'), 'utf8'), 'x\ncdef');
  });

  it('takes a value as it is, though a shell would not', async () => {
    writeFileSync(path('attribute'), '');
    await linuxHost.write(path('attribute'), '$(reboot) `id` \\n %s "\'', 5000);
    assert.equal(readFileSync(path('attribute'), 'utf8'), '$(reboot) `id` \\n %s "\'\n');
  });

  const refusals: readonly (readonly [name: string, make: () => string, errno: string])[] = [
    ['a file that is not there, which it does not make', () => path('none'), 'ENOENT'],
    ['a file in a directory that is not there', () => path('none/below'), 'ENOENT'],
    [
      'a path through a file',
      () => {
        writeFileSync(path('file'), '');
        return path('file/below');
      },
      'ENOTDIR',
    ],
    ['a directory', () => directory, 'EISDIR'],
    ['a full device', () => '/dev/full', 'ENOSPC'],
    [
      'a loop of links',
      () => {
        symlinkSync('loop', path('loop'));
        return path('loop');
      },
      'ELOOP',
    ],
  ];
  for (const [name, make, errno] of refusals) {
    it(`says ${errno} for ${name}`, async () => {
      assert.deepEqual(await linuxHost.write(make(), 'x', 5000), { kind: 'refused', errno });
      assert.equal(existsSync(path('none')), false);
    });
  }

  it('says EACCES for an attribute that nobody may write, root neither', async () => {
    const result = await linuxHost.write('/proc/sys/kernel/osrelease', 'x', 5000);
    // Where /proc/sys is mounted read-only, as in a container, that is said first.
    assert.ok(
      result.kind === 'refused' && ['EACCES', 'EROFS'].includes(result.errno),
      JSON.stringify(result),
    );
  });

  it('does not wait for a write that does not return, and knows it again until it does', async () => {
    const pipe = fifo('pipe');
    const began = performance.now();
    const result = await linuxHost.write(pipe, '0000:03:00.1', 200);
    assert.ok(performance.now() - began < 3000);
    assert.equal(result.kind, 'stuck');
    const { writer } = result;
    assert.ok(linuxHost.isAlive(writer));
    assert.deepEqual(
      linuxHost.blockedWrites().filter((blocked) => blocked.path === pipe),
      [{ path: pipe, value: '0000:03:00.1', writer }],
    );
    assert.equal(
      linuxHost.isAlive({ ...writer, startTime: writer.startTime + 1 }),
      false,
      'another process with its pid',
    );

    assert.equal(drain(pipe), '0000:03:00.1\n', 'it takes effect late');
    while (linuxHost.isAlive(writer)) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      linuxHost.blockedWrites().filter((blocked) => blocked.path === pipe),
      [],
    );
  });

  it('leaves the caller free to end, and whoever reads its output, while a write hangs', async () => {
    const pipe = fifo('pipe');
    const began = performance.now();
    const caller = spawn(process.execPath, ['--import=tsx', program, pipe], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines: string[] = [];
    createInterface({ input: caller.stdout }).on('line', (line) => lines.push(line));
    let complaints = '';
    caller.stderr.on('data', (data: Buffer) => (complaints += data.toString()));
    // 'close' comes when the process has ended and its output is closed by everybody who had it.
    const status = await new Promise((resolve) => caller.once('close', resolve));
    assert.equal(status, 0, complaints);
    assert.deepEqual(lines, ['stuck']);
    assert.ok(performance.now() - began < 10_000);
    assert.equal(
      linuxHost.blockedWrites().filter((blocked) => blocked.path === pipe).length,
      1,
      'it goes on without its caller',
    );
    assert.equal(drain(pipe), 'late\n');
  });
});

describe('linuxHost.loadModule', () => {
  // programs.test.ts says what a host without it is told.
  before(async function () {
    const said = await linuxHost.tryProgram('modprobe', 10_000).catch(() => 'missing');
    if (said !== 'missing') return;
    console.warn('        skipped: there is no modprobe');
    this.skip();
  });

  it('passes on why modprobe could not', async () => {
    const result = await linuxHost.loadModule('vfio_hook_no_such_module', 10_000);
    assert.equal(result.kind, 'failed');
    assert.match(result.reason, /vfio_hook_no_such_module/);
    assert.doesNotMatch(result.reason, /\n/);
  });

  it('takes no option for a name', async () => {
    const result = await linuxHost.loadModule('--version', 10_000);
    assert.equal(result.kind, 'failed');
  });
});

describe('linuxHost.holders', () => {
  const orphans: number[] = [];
  afterEach(() => {
    for (const pid of orphans.splice(0)) process.kill(pid, 'SIGKILL');
  });

  it('finds the processes that have a file open, not this one', async () => {
    writeFileSync(path('node'), '');
    const here = openSync(path('node'), 'r');
    assert.deepEqual(linuxHost.holders([path('node')]), []);
    // The shell ends at once: a process that this one started would be left out.
    const shell = spawn('sh', ['-c', 'tail -f "$0" > /dev/null 2>&1 & echo $!', path('node')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = await new Promise<string>((resolve) =>
      shell.stdout.once('data', (data: Buffer) => {
        resolve(data.toString());
      }),
    );
    const pid = Number(said);
    orphans.push(pid);
    while (linuxHost.holders([path('node')])[0]?.name !== 'tail')
      await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      linuxHost.holders([path('none'), path('node')]).map((holder) => [holder.pid, holder.path]),
      [[pid, path('node')]],
    );
    process.kill(pid, 'SIGKILL');
    while (linuxHost.holders([path('node')]).length > 0)
      await new Promise((resolve) => setImmediate(resolve));
    closeSync(here);
  });

  it('finds none for what is not there', () => {
    mkdirSync(path('d'));
    assert.deepEqual(linuxHost.holders([path('none')]), []);
  });
});
