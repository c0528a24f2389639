import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasEnded, isAlive, isRoots, startTimeOf } from '../../../src/host/linux/processes.ts';
import { childOf, NOBODY, runningPrograms } from './running.ts';
import { until } from '../../until.ts';

describe('startTimeOf', () => {
  const { directory, start } = runningPrograms();

  it('is a number that stays the same while a process lives', () => {
    const first = startTimeOf(process.pid);
    assert.ok(first !== undefined && Number.isInteger(first) && first > 0);
    assert.equal(startTimeOf(process.pid), first);
  });

  it('is nothing for a process that is not there', () => {
    assert.equal(startTimeOf(-1), undefined);
    assert.equal(startTimeOf(2 ** 30), undefined);
  });

  it('reads past a program’s name, whatever is in it', async () => {
    const program = join(directory(), 'a) R 1 (b');
    copyFileSync('/bin/sleep', program);
    const pid = await start(program, ['60']);
    await until(() => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'a) R 1 (b\n');
    const ours = startTimeOf(process.pid)!;
    const theirs = startTimeOf(pid)!;
    assert.ok(theirs >= ours && theirs < ours + 100 * 3600, `${theirs}, this process ${ours}`);
    assert.equal(isAlive({ pid, startTime: theirs }), true);
  });
});

describe('isAlive', () => {
  const zombies: ChildProcess[] = [];
  afterEach(() => {
    for (const child of zombies.splice(0)) child.kill('SIGKILL');
  });

  it('knows this process, and no other one with its pid', () => {
    const startTime = startTimeOf(process.pid)!;
    assert.equal(isAlive({ pid: process.pid, startTime }), true);
    assert.equal(isAlive({ pid: process.pid, startTime: startTime + 1 }), false);
    assert.equal(isAlive({ pid: 2 ** 30, startTime }), false);
    assert.equal(isAlive({ pid: -1, startTime: -1 }), false);
  });

  it('does not count a process that is dead and not yet reaped', async function () {
    // A parent that does not wait for its child, which stays a zombie for as long as the parent lives.
    const program = '$| = 1; if (my $pid = fork) { print $pid; sleep 60 } else { exit }';
    const child = spawn('perl', ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    zombies.push(child);
    const pid = await new Promise<number | undefined>((resolve) => {
      child.once('error', () => {
        resolve(undefined);
      });
      child.stdout.once('data', (data: Buffer) => {
        resolve(Number(data.toString()));
      });
    });
    if (pid === undefined) this.skip();
    await until(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '));
    assert.equal(isAlive({ pid, startTime: startTimeOf(pid)! }), false);
  });
});

describe('hasEnded', () => {
  const { start } = runningPrograms();

  it('waits for a process that ends, and no longer', async () => {
    const pid = await start('sh', ['-c', 'read line']);
    const identity = { pid, startTime: startTimeOf(pid)! };
    const waiting = hasEnded(identity, 20_000);
    process.kill(pid, 'SIGKILL');
    assert.equal(await waiting, true);
  });

  it('gives up at the deadline', async () => {
    const pid = await start('sleep', ['60']);
    assert.equal(await hasEnded({ pid, startTime: startTimeOf(pid)! }, 30), false);
  });

  it('does not wait for a process that is gone', async () => {
    assert.equal(await hasEnded({ pid: 2 ** 30, startTime: 1 }, 0), true);
  });
});

/** Needs root: it makes processes of other users and PID namespaces. */
describe('isRoots', () => {
  const { directory, start, named } = runningPrograms();
  before(function () {
    if (process.getuid?.() !== 0) this.skip();
  });

  it('is true of a process that root has started', async () => {
    assert.equal(isRoots(await start('sleep', ['60'])), true);
    assert.equal(isRoots(process.pid), true);
  });

  it('is false of another user’s, of one that is gone, and of one that makes users root', async () => {
    assert.equal(isRoots(await start('sleep', ['60'], { uid: NOBODY })), false);
    assert.equal(isRoots(2 ** 30), false);
    const program = join(directory(), 'su');
    await named('su');
    spawnSync('chmod', ['u+s', program]);
    const args = ['-F', '/dev/null'];
    // As sudo while it asks for the password, and as su.
    assert.equal(isRoots(await start(program, args, { stdio: 'ignore' })), false);
    assert.equal(isRoots(await start(program, args, { stdio: 'ignore', uid: NOBODY })), false);
  });

  it('is false of root in another PID namespace', async () => {
    const outer = await start('unshare', ['--pid', '--fork', '--kill-child', 'sleep', '60']);
    assert.equal(isRoots(await childOf(outer)), false);
  });
});
