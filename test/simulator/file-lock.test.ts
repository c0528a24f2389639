import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withFileLock } from '../../simulator/file-lock.ts';
import { processAlive, thisProcess } from '../../simulator/process.ts';

/** No process has this number: the kernel's largest is 2^22. */
const nobody = 2 ** 22 + 1;

describe('withFileLock', () => {
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lock-'));
    path = join(directory, 'lock');
  });

  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it('holds the lock, with its owner in it, while the work is done', () => {
    const { pid, startTime } = thisProcess();
    const result = withFileLock(path, () => {
      assert.ok(readlinkSync(path).startsWith(`${pid}.${startTime}.`));
      return 'done';
    });
    assert.equal(result, 'done');
    assert.ok(!existsSync(path));
  });

  it('gives the lock back when the work throws', () => {
    assert.throws(() => {
      withFileLock(path, () => {
        throw new Error('no');
      });
    }, /no/);
    withFileLock(path, () => undefined);
  });

  it('takes it from a process that is dead', () => {
    symlinkSync(`${nobody}.1.1`, path);
    withFileLock(path, () => undefined);
  });

  it('takes it from a process whose number is used again', () => {
    symlinkSync(`${process.pid}.1.1`, path);
    withFileLock(path, () => undefined);
  });

  it('takes it also when whoever did so before is dead', () => {
    symlinkSync(`${nobody}.1.1`, path);
    symlinkSync(`${nobody}.1.2`, `${path}.${nobody}.1.1`);
    symlinkSync(`${nobody}.1.3`, `${path}.${nobody}.1.1.${nobody}.1.2`);
    withFileLock(path, () => undefined);
    assert.throws(() => readlinkSync(`${path}.${nobody}.1.1`), { code: 'ENOENT' });
  });

  it('throws what stands in its way', () => {
    assert.throws(
      () => {
        withFileLock(join(directory, 'nosuch', 'lock'), () => undefined);
      },
      { code: 'ENOENT' },
    );
  });
});

describe('processAlive', () => {
  it('is true of this process, and of no other with its number', () => {
    const self = thisProcess();
    assert.ok(self.startTime > 0);
    assert.ok(processAlive(self));
    assert.ok(!processAlive({ ...self, startTime: self.startTime + 1 }));
    assert.ok(!processAlive({ pid: nobody, startTime: 1 }));
  });
});
