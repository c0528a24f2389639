import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { childEnvironment } from '../../../src/child-environment.ts';
import { VfioHookError } from '../../../src/errors.ts';
import { linuxHost } from '../../../src/host/linux/host.ts';
import { stateDirectory } from '../../scenario.ts';

const { PATH } = childEnvironment;
let directory = '';

describe('linuxHost.run', () => {
  beforeEach(() => {
    directory = stateDirectory();
    mkdirSync(join(directory, 'bin'));
    Object.assign(childEnvironment, { PATH: `${join(directory, 'bin')}:${PATH}` });
  });
  afterEach(() => {
    Object.assign(childEnvironment, { PATH });
    rmSync(directory, { recursive: true });
  });

  function script(text: string): void {
    const path = join(directory, 'bin', 'ip');
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
  }

  it('gives a program its arguments as they are, and tells how it ended and what it said', async () => {
    script('printf "<%s>" "$@"; echo no >&2; exit 2');
    assert.deepEqual(await linuxHost.run('ip', ['link', 'a b; $(c)', '"'], 5000), {
      kind: 'exited',
      status: 2,
      stdout: '<link><a b; $(c)><">',
      stderr: 'no\n',
    });
  });

  it('leaves one alone that does not end in time, and finds it again', async () => {
    script('while [ -e "$0" ]; do sleep 0.05; done');
    const result = await linuxHost.run('ip', ['link', 'set', 'dev', 'eth0'], 200);
    assert.equal(result.kind, 'stuck');
    const { writer } = result;
    assert.ok(linuxHost.isAlive(writer));
    if (process.geteuid?.() === 0) {
      assert.deepEqual(
        linuxHost.blockedWrites().filter((each) => each.writer.pid === writer.pid),
        [{ path: 'ip link set dev eth0', value: '', writer }],
      );
    }
    rmSync(join(directory, 'bin', 'ip'));
    assert.ok(await linuxHost.hasEnded(writer, 5000));
  });

  it('says that a program is missing', async () => {
    await assert.rejects(
      linuxHost.run('sriov-manage', ['-e', 'ALL'], 5000),
      (error) =>
        error instanceof VfioHookError &&
        error.code === 'VH_INSTALLATION' &&
        error.message === 'there is no program /usr/lib/nvidia/sriov-manage',
    );
  });
});
