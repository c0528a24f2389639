import assert from 'node:assert/strict';
import { runBounded } from '../../../src/host/linux/child.ts';
import { isAlive } from '../../../src/host/linux/processes.ts';

describe('runBounded', () => {
  it('gives back the status and what was printed', async () => {
    assert.deepEqual(await runBounded('sh', ['-c', 'echo out; echo err >&2; exit 3'], { deadlineMs: 5000 }), {
      kind: 'exited',
      status: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  it('hands over the input, also to a program that does not read it', async () => {
    const read = await runBounded('cat', [], { input: 'hello', deadlineMs: 5000 });
    assert.equal(read.kind === 'exited' && read.stdout, 'hello');
    const deaf = await runBounded('true', [], { input: 'x'.repeat(1_000_000), deadlineMs: 5000 });
    assert.equal(deaf.kind === 'exited' && deaf.status, 0);
  });

  it('passes on a fixed environment and the root directory, and nothing of this process', async () => {
    process.env['VFIO_HOOK_TEST_SECRET'] = 'secret';
    const result = await runBounded('sh', ['-c', 'pwd; env | sort'], {
      deadlineMs: 5000,
      environment: { EXTRA: 'yes' },
    });
    Reflect.deleteProperty(process.env, 'VFIO_HOOK_TEST_SECRET');
    assert.equal(result.kind, 'exited');
    const [directory, ...variables] = result.stdout.trimEnd().split('\n');
    assert.equal(directory, '/');
    assert.deepEqual(
      variables.filter((each) => !/^(PWD|SHLVL|_|OLDPWD)=/.test(each)),
      ['EXTRA=yes', 'LC_ALL=C', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
    );
  });

  it('does not go through a shell', async () => {
    const result = await runBounded('echo', ['$(id)', '; reboot', '*'], { deadlineMs: 5000 });
    assert.equal(result.kind === 'exited' && result.stdout, '$(id) ; reboot *\n');
  });

  it('says that there is no such program', async () => {
    await assert.rejects(runBounded('vfio-hook-no-such-program', [], { deadlineMs: 5000 }), {
      code: 'VH_INSTALLATION',
      message: 'there is no program vfio-hook-no-such-program in /usr/sbin, /usr/bin, /sbin and /bin',
    });
  });

  it('keeps a bounded part of endless output', async () => {
    const result = await runBounded('sh', ['-c', 'yes | head -c 8000000'], { deadlineMs: 10_000 });
    assert.equal(result.kind, 'exited');
    assert.ok(
      result.stdout.length >= 2 ** 20 && result.stdout.length < 2 ** 21,
      String(result.stdout.length),
    );
  });

  it('leaves a child alone past the deadline: it is not killed, and has a session of its own', async () => {
    const began = performance.now();
    const result = await runBounded('sleep', ['30'], { deadlineMs: 150 });
    assert.ok(performance.now() - began < 2000);
    assert.equal(result.kind, 'stuck');
    assert.ok(isAlive(result.writer));
    const { readFileSync } = await import('node:fs');
    const stat = readFileSync(`/proc/${result.writer.pid}/stat`, 'utf8');
    const [, , group, session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    assert.deepEqual([group, session], [String(result.writer.pid), String(result.writer.pid)]);
    process.kill(result.writer.pid, 'SIGKILL');
    while (isAlive(result.writer)) await new Promise((resolve) => setImmediate(resolve));
  });

  it('reports a child that a signal ended as one that failed', async () => {
    const result = await runBounded('sh', ['-c', 'kill -9 $$'], { deadlineMs: 5000 });
    assert.equal(result.kind === 'exited' && result.status, -1);
  });
});
