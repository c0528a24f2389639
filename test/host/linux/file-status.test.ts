import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStatus, securityLabel } from '../../../src/host/linux/file-status.ts';

describe('fileStatus', () => {
  let directory = '';
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'vfio-hook-status-'));
    writeFileSync(join(directory, 'file'), '');
    chmodSync(join(directory, 'file'), 0o4751);
    symlinkSync('file', join(directory, 'link'));
    symlinkSync('nothing', join(directory, 'dangling'));
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  it('says kind, owner and permission bits, and when it changed', () => {
    const status = fileStatus(join(directory, 'file'));
    assert.deepEqual([status?.kind, status?.uid, status?.mode], ['file', process.getuid?.(), 0o4751]);
    assert.ok(Math.abs((status?.changedMs ?? 0) - Date.now()) < 60_000);
  });

  for (const [name, kind] of [
    ['', 'directory'],
    ['link', 'link'],
    ['dangling', 'link'],
  ] as const) {
    it(`does not follow a link: ${name === '' ? 'the directory itself' : name} is a ${kind}`, () => {
      assert.equal(fileStatus(join(directory, name))?.kind, kind);
    });
  }

  it('a device node is something else', () => {
    assert.equal(fileStatus('/dev/null')?.kind, 'other');
  });

  it('what is not there, also below a file, is undefined', () => {
    assert.equal(fileStatus(join(directory, 'none')), undefined);
    assert.equal(fileStatus(join(directory, 'file/none')), undefined);
  });

  it('has a label only where there is one', async () => {
    const label = await securityLabel(join(directory, 'file'), 5000);
    assert.ok(label === undefined || label.split(':').length >= 3);
    assert.equal(await securityLabel(join(directory, 'none'), 5000), undefined);
  });
});
