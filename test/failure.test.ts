import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { VfioHookError } from '../src/errors.ts';
import { asFailure, readFailure } from '../src/failure.ts';
import { hintText } from '../src/hint.ts';
import { errorLines } from '../src/report.ts';

describe('asFailure', () => {
  it('says in words of its own what Node says of a failed system call', () => {
    let thrown: unknown;
    try {
      readFileSync('/proc/self/mem');
    } catch (error) {
      thrown = error;
    }
    const failure = asFailure(thrown);
    assert.ok(failure);
    // Node gives no path with what read(2) answers.
    assert.deepEqual([failure.code, failure.errno], ['VH_KERNEL', 'EIO']);
    assert.equal(failure.message, 'cannot use a file: EIO (input/output error)');
    assert.deepEqual(errorLines(thrown), [
      'vfio-hook: error: cannot use a file: EIO (input/output error)',
      'vfio-hook: hint: see what the kernel says about it: dmesg | tail',
    ]);
  });

  it('names the file, and the program that cannot be started', () => {
    assert.throws(
      () => readFileSync('/nonexistent/file'),
      (error) =>
        asFailure(error)?.message === 'cannot use /nonexistent/file: ENOENT (no such file or directory)',
    );
    const { error } = spawnSync('/nonexistent/program');
    assert.equal(
      asFailure(error)?.message,
      'cannot start /nonexistent/program: ENOENT (no such file or directory)',
    );
  });

  it('leaves errors of this program as they are, and knows nothing of other ones', () => {
    const own = new VfioHookError('VH_XML', 'no XML');
    assert.equal(asFailure(own), own);
    for (const fault of [
      new TypeError('x'),
      'x',
      undefined,
      Object.assign(new Error('x'), { code: 'ERR_X_Y' }),
    ]) {
      assert.equal(asFailure(fault), undefined);
      assert.match(errorLines(fault).join('\n'), /this is a fault of vfio-hook/);
    }
  });

  it('has advice for what is no device’s and no driver’s fault', () => {
    const advice = (errno: string): string => readFailure('/x', errno).hints.map(hintText).join();
    assert.match(advice('EMFILE'), /LimitNOFILE=/);
    assert.match(advice('ENFILE'), /fs.file-max/);
    assert.match(advice('ENOMEM'), /out of memory/);
    assert.match(advice('EACCES'), /root.*AppArmor or SELinux/);
    assert.equal(advice('EINVAL'), '');
  });
});
