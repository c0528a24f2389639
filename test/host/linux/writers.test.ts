import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { startTimeOf } from '../../../src/host/linux/processes.ts';
import { blockedWrites, WRITER_VARIABLE, writerArguments } from '../../../src/host/linux/writers.ts';
import { childOf, NOBODY, runningPrograms } from './running.ts';
import { until } from '../../until.ts';

/** Needs root: only root writes to attributes, so nobody else’s processes count. */
describe('blockedWrites', () => {
  const { directory, start, named } = runningPrograms();
  before(function () {
    if (process.getuid?.() !== 0) this.skip();
  });

  const attribute = (): string => join(directory(), 'unbind');
  const marked = (value: string, path = attribute()): { readonly env: NodeJS.ProcessEnv } => ({
    env: { ...process.env, [WRITER_VARIABLE]: `${path} ${value}` },
  });
  const found = (pid: number): unknown => blockedWrites().filter(({ writer }) => writer.pid === pid);

  beforeEach(() => {
    // dd waits in open(2) until somebody reads.
    spawnSync('mkfifo', [attribute()]);
    spawnSync('chmod', ['666', attribute()]);
  });

  for (const value of ['0000:03:00.0', 'a b', '']) {
    it(`knows a writer with its attribute and ${JSON.stringify(value)}`, async () => {
      const pid = await start('dd', writerArguments(attribute()), marked(value));
      const expected = { path: attribute(), value, writer: { pid, startTime: startTimeOf(pid) } };
      await until(() => blockedWrites().some(({ writer }) => writer.pid === pid));
      assert.deepEqual(found(pid), [expected]);
    });
  }

  it('knows it also where dd is a part of another program', async () => {
    const args = ['--coreutils-prog=dd', ...writerArguments(attribute())];
    const pid = await named('coreutils', args, marked('x'));
    assert.deepEqual(
      blockedWrites()
        .filter(({ writer }) => writer.pid === pid)
        .map(({ path, value }) => [path, value]),
      [[attribute(), 'x']],
    );
  });

  it('believes no variable alone: su and sudo keep what their user has set', async () => {
    assert.deepEqual(found(await start('sleep', ['60'], marked('x'))), []);
  });

  it('believes no arguments alone, and no variable about another attribute', async () => {
    const args = writerArguments(attribute());
    assert.deepEqual(found(await start('dd', args)), []);
    assert.deepEqual(found(await start('dd', args, marked('x', '/sys/y'))), []);
    assert.deepEqual(found(await start('dd', [...args, 'count=1'], marked('x'))), []);
  });

  it('believes no other user, nor a program that makes users root', async () => {
    const args = writerArguments(attribute());
    assert.deepEqual(found(await start('dd', args, { ...marked('x'), uid: NOBODY })), []);
    await named('sudo');
    const sudo = join(directory(), 'sudo');
    spawnSync('chmod', ['u+s', sudo]);
    const waits = ['-F', '/dev/null', '--', ...args];
    assert.deepEqual(found(await start(sudo, waits, { ...marked('x'), stdio: 'ignore', uid: NOBODY })), []);
    assert.deepEqual(found(await start(sudo, waits, { ...marked('x'), stdio: 'ignore' })), []);
  });

  it('believes no root of a container', async () => {
    const outer = await start(
      'unshare',
      ['--pid', '--fork', '--kill-child', 'dd', ...writerArguments(attribute())],
      marked('x'),
    );
    assert.deepEqual(found(await childOf(outer)), []);
  });
});
