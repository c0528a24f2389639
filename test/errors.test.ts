import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { advice } from '../src/hint.ts';
import { errnoOf, VfioHookError } from '../src/errors.ts';

describe('VfioHookError', () => {
  it('carries what it is about', () => {
    const cause = new Error('below');
    const facts = {
      hints: [advice('do this')],
      device: '0000:03:00.0',
      path: '/sys/x',
      errno: 'EBUSY',
      cause,
    };
    const error = new VfioHookError('VH_KERNEL', 'cannot bind it', facts);
    assert.ok(error instanceof Error);
    assert.equal(error.name, 'VfioHookError');
    assert.equal(String(error), 'VfioHookError: cannot bind it');
    const { code, hints, device, path, errno } = error;
    assert.deepEqual(
      { code, hints, device, path, errno, cause: error.cause },
      { code: 'VH_KERNEL', ...facts },
    );
  });

  it('has no hints and no facts unless they are given', () => {
    const error = new VfioHookError('VH_USAGE', 'what');
    assert.deepEqual(error.hints, []);
    assert.deepEqual(
      [error.device, error.path, error.errno, error.cause],
      [undefined, undefined, undefined, undefined],
    );
  });
});

describe('errnoOf', () => {
  it('is the code of a failed system call', () => {
    try {
      readFileSync('/nonexistent/file');
      assert.fail('it was read');
    } catch (error) {
      assert.equal(errnoOf(error), 'ENOENT');
    }
  });

  it('is nothing for anything else', () => {
    for (const thrown of [
      new Error('plain'),
      Object.assign(new Error('x'), { code: 5 }),
      { code: 'ENOENT' },
      'ENOENT',
      null,
      undefined,
    ]) {
      assert.equal(errnoOf(thrown), undefined);
    }
  });
});
