import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { holderFacts } from '../../../src/host/linux/holder-facts.ts';
import { runningPrograms } from './running.ts';
import { until } from '../../until.ts';

function canMake(directory: string): boolean {
  try {
    mkdirSync(directory);
    return true;
  } catch {
    return false;
  }
}

describe('holderFacts', () => {
  const { directory, start } = runningPrograms();

  /** A process that waits, once it runs the program that it is to run. */
  async function waiting(program: string, ...args: readonly string[]): Promise<number> {
    const pid = await start(program, args);
    await until(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'sleep');
    return pid;
  }

  const sleep = '/usr/bin/sleep';

  it('names the file of the program, whatever the process calls itself', async () => {
    assert.deepEqual(holderFacts(await waiting(sleep, '60')), { program: sleep });
  });

  it('names the file that an upgrade has removed', async () => {
    const copy = join(directory(), 'sleep');
    copyFileSync(sleep, copy);
    const pid = await waiting(copy, '60');
    rmSync(copy);
    assert.deepEqual(holderFacts(pid), { program: copy });
  });

  it('names none for a process with mounts of its own (root)', async function () {
    if (process.getuid?.() !== 0) this.skip();
    assert.deepEqual(holderFacts(await waiting('unshare', '--mount', sleep, '60')), {});
  });

  it('says that a process is stopped, and that it goes on', async () => {
    const pid = await waiting(sleep, '60');
    process.kill(pid, 'SIGSTOP');
    await until(() => holderFacts(pid).halted === true);
    process.kill(pid, 'SIGCONT');
    await until(() => holderFacts(pid).halted === undefined);
  });

  it('says that the control group of a process is frozen (root)', async function () {
    const [group, file, frozen, thawed] = existsSync('/sys/fs/cgroup/cgroup.procs')
      ? ['/sys/fs/cgroup/vfio-hook-test', 'cgroup.freeze', '1', '0']
      : ['/sys/fs/cgroup/freezer/vfio-hook-test', 'freezer.state', 'FROZEN', 'THAWED'];
    if (process.getuid?.() !== 0 || !canMake(group)) this.skip();
    const pid = await waiting(sleep, '60');
    try {
      writeFileSync(`${group}/cgroup.procs`, String(pid));
      writeFileSync(`${group}/${file}`, frozen);
      await until(() => holderFacts(pid).halted === true);
    } finally {
      writeFileSync(`${group}/${file}`, thawed);
      process.kill(pid, 'SIGKILL');
      await until(() => readFileSync(`${group}/cgroup.procs`, 'utf8') === '');
      rmdirSync(group);
    }
  });

  it('says nothing of a process that is gone', () => {
    assert.deepEqual(holderFacts(2 ** 22), {});
  });
});
