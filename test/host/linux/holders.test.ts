import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenFiles } from '../../../src/host/host.ts';
import { holderFacts } from '../../../src/host/linux/holder-facts.ts';
import {
  guestName,
  openFilesAmong,
  processorTime,
  type LookLimits,
} from '../../../src/host/linux/holders.ts';
import { unitOf } from '../../../src/host/linux/unit.ts';
import { runningPrograms } from './running.ts';
import { until } from '../../until.ts';

describe('openFilesAmong', () => {
  const { directory, start } = runningPrograms();
  const orphans: number[] = [];
  afterEach(() => {
    for (const pid of orphans.splice(0)) process.kill(pid, 'SIGKILL');
  });

  /** A process that is no child of this one. */
  async function orphan(...command: readonly string[]): Promise<number> {
    const shell = spawn('sh', ['-c', '"$@" > /dev/null 2>&1 & echo $!', 'sh', ...command], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    shell.stdout.on('data', (data: Buffer) => (said += data.toString()));
    await new Promise((resolve) => shell.once('close', resolve));
    orphans.push(Number(said));
    return Number(said);
  }

  /** An orphan that has these files open; what follows them are arguments that do nothing. */
  async function holder(nodes: readonly string[], ...args: readonly string[]): Promise<number> {
    // tail -f keeps the files open; what follows `--` it takes for files that are not there.
    const pid = await orphan('tail', '-q', '-f', ...nodes, '--', ...args);
    await until(
      () => openFilesAmong(nodes).holders.filter((each) => each.pid === pid).length === nodes.length,
    );
    return pid;
  }

  const node = (name = 'node'): string => {
    writeFileSync(join(directory(), name), '');
    return join(directory(), name);
  };
  /** What this process itself runs in: the orphans are in the same unit. */
  const unit = unitOf(readFileSync('/proc/self/cgroup', 'utf8'));

  it('says of nobody that it is a guest’s QEMU because it says so itself', async () => {
    const path = node();
    const pid = await holder([path], '-name', 'guest=win11,debug-threads=on');
    assert.deepEqual(openFilesAmong([path]).holders, [
      { pid, name: 'tail', ...(unit && { unit }), ...holderFacts(pid), path },
    ]);
  });

  it('has its bound in processor time, so that a busy host lets it look as far as any other', () => {
    const { user, system } = process.cpuUsage();
    const used = processorTime() - (user + system) / 1000;
    assert.ok(used >= 0 && used < 50, String(used));
  });

  it('finds the holders of many files in one call, an entry for each process and file', async () => {
    const [one, two, three] = [node('one'), node('two'), node('three')];
    const first = await holder([one, two]);
    const second = await holder([two, three]);
    assert.deepEqual(
      openFilesAmong([three, two, one, node('four')])
        .holders.map(({ pid, path }) => `${pid} ${path}`)
        .sort(),
      [`${first} ${one}`, `${first} ${two}`, `${second} ${three}`, `${second} ${two}`].sort(),
    );
  });

  it('knows a node that was removed and made again since it was opened', async () => {
    const path = node();
    const pid = await holder([path]);
    rmSync(path);
    assert.deepEqual(
      openFilesAmong([path]).holders.map((each) => each.pid),
      [pid],
    );
  });

  it('finds who has a socket, by the number of its inode', async () => {
    const file = join(directory(), 'socket');
    const script = `
      const { readdirSync, readlinkSync, writeFileSync } = require('node:fs');
      const server = require('node:net').createServer().listen(0, '127.0.0.1', () => {
        writeFileSync(process.argv[1], readlinkSync('/proc/self/fd/' + server._handle.fd));
      });`;
    const pid = await orphan(process.execPath, '-e', script, file);
    await until(() => existsSync(file) && readFileSync(file, 'utf8') !== '');
    const socket = readFileSync(file, 'utf8');
    assert.match(socket, /^socket:\[\d+\]$/);
    assert.deepEqual(
      openFilesAmong([socket]).holders.map((each) => [each.pid, each.path]),
      [[pid, socket]],
    );
  });

  it('leaves out this process and those that it started', async () => {
    const path = node();
    const fd = openSync(path, 'r');
    const pid = await start('sh', ['-c', 'exec 3< "$0"; cat', path]);
    await until(() => readdirSync(`/proc/${pid}/fd`).includes('3'));
    assert.deepEqual(openFilesAmong([path]).holders, []);
    closeSync(fd);
  });

  /** A look at these processes, in which each look at the clock takes a millisecond. */
  const limits = (deadlineMs: number, processes: readonly number[]): LookLimits => {
    let time = 0;
    return { deadlineMs, firstLook: 10, now: () => (time += 1), processes: () => processes };
  };
  const names = Array.from({ length: 40 }, (_, index) => `file${index}`);
  const seen = ({ holders }: OpenFiles): unknown => holders.map(({ pid, path }) => [pid, path]);

  it('comes to the end of a process with many files, while there is time', async () => {
    const paths = names.map(node);
    const [last = ''] = paths.slice(-1);
    const pid = await holder(paths);
    const found = openFilesAmong([last], limits(1000, [pid]));
    assert.deepEqual([seen(found), found.unseen], [[[pid, last]], []]);
  });

  it('looks at everybody before it looks at all of one, and says whom it did not come to the end of', async () => {
    const paths = names.map(node);
    const hog = await holder(paths);
    const own = node('own');
    const other = await holder([own]);
    // Time for the beginning and one look at each.
    const found = openFilesAmong([own, ...paths.slice(-1)], limits(3, [hog, other]));
    assert.deepEqual([seen(found), found.unseen], [[[other, own]], [{ pid: hog, name: 'tail' }]]);
  });

  it('has seen nobody when there was no time at all, and says so', async () => {
    const path = node();
    const pid = await holder([path]);
    const found = openFilesAmong([path], limits(0, [pid]));
    assert.deepEqual([seen(found), found.unseen], [[], [{ pid, name: 'tail' }]]);
  });

  it('says of no thread of the kernel that its files were not looked at: it has none', async function () {
    // A container has other processes, or none of that number.
    if (!existsSync('/proc/2/comm') || readFileSync('/proc/2/comm', 'utf8') !== 'kthreadd\n') this.skip();
    const path = node();
    const pid = await holder([path]);
    assert.deepEqual(openFilesAmong([path], limits(0, [2, pid])).unseen, [{ pid, name: 'tail' }]);
  });

  it('looks at the clock also within a process that has very many files open', async () => {
    const program =
      'for ($n = 0; $n < 900; $n++) { open($f[$n], "<", "/dev/null") } open(F, ">", $ARGV[0]); sleep 60';
    const done = join(directory(), 'done');
    const pid = await orphan('perl', '-e', program, done);
    await until(() => existsSync(done));
    const few = limits(5, [pid]);
    assert.deepEqual(openFilesAmong([node()], few).unseen, [{ pid, name: 'perl' }]);
    // One look for the beginning, two for the two turns, the others in between.
    assert.equal(few.now(), 7);
  });

  it('looks at programs of a name only, when that is asked for, and names no others', async () => {
    const path = node();
    const pid = await holder([path]);
    const look = (name: string, deadlineMs: number): OpenFiles =>
      openFilesAmong([path], { ...limits(deadlineMs, [pid]), ofProgram: (each) => each === name });
    assert.deepEqual(seen(look('tail', 1000)), [[pid, path]]);
    assert.deepEqual(seen(look('sshd', 1000)), []);
    assert.deepEqual(look('tail', 0).unseen, [{ pid, name: 'tail' }]);
    assert.deepEqual(look('sshd', 0).unseen, []);
  });

  it('looks at nobody when nothing is asked for', () => {
    assert.deepEqual(openFilesAmong([]), { holders: [], unseen: [] });
  });
});

describe('guestName', () => {
  const names: readonly (readonly [args: readonly string[], guest: string | undefined])[] = [
    [['-name', 'guest=win11,debug-threads=on'], 'win11'],
    [['-name', 'guest=win,,11,debug-threads=on'], 'win,11'],
    [['-name', 'guest=,,,,'], ',,'],
    [['-name', 'win11'], 'win11'],
    [['-name'], undefined],
    [['-names', 'guest=win11'], undefined],
    [[], undefined],
  ];
  for (const [args, guest] of names) {
    it(`is ${guest === undefined ? 'none' : JSON.stringify(guest)} in ${JSON.stringify(args)}`, () => {
      assert.equal(guestName(args), guest);
    });
  }
});
