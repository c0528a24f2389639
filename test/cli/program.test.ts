import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cannotStart, signalStatus, startProgram } from '../../src/cli/program.ts';
import { temporaryDirectory } from '../hook/compiled.ts';

describe('cannotStart', () => {
  const directory = temporaryDirectory();
  for (const name of ['first', 'second']) mkdirSync(join(directory, name));
  writeFileSync(join(directory, 'first/vmm'), '', { mode: 0o644 });
  writeFileSync(join(directory, 'second/vmm'), '#!/bin/sh\n', { mode: 0o755 });
  mkdirSync(join(directory, 'second/folder'));
  symlinkSync('nowhere', join(directory, 'second/loose'));
  const path = ['first', 'second', 'absent', 'second/vmm'].map((name) => join(directory, name));

  const rows: readonly (readonly [
    name: string,
    command: string,
    path: string,
    status: number | undefined,
  ])[] = [
    ['a program', 'vmm', join(directory, 'second'), undefined],
    ['one that only a later directory has as a program', 'vmm', path.join(':'), undefined],
    ['a file that may not be executed', 'vmm', join(directory, 'first'), 126],
    ['a directory of that name', 'folder', path.join(':'), 127],
    ['a link to nothing', 'loose', path.join(':'), 127],
    ['no such name', 'other', path.join(':'), 127],
    ['no PATH at all', 'vmm', '', 127],
    ['a path with a slash, whatever PATH says', join(directory, 'second/vmm'), '', undefined],
    ['a path to nothing', join(directory, 'second/other'), path.join(':'), 127],
  ];
  for (const [name, command, where, status] of rows) {
    it(`${name}: ${status === undefined ? 'it can' : String(status)}`, () => {
      assert.equal(cannotStart(command, where)?.status, status);
    });
  }
});

describe('startProgram', () => {
  it('says how it ended', async () => {
    assert.deepEqual(await startProgram('sh', ['-c', 'exit 7']).ended, { kind: 'ended', status: 7 });
    const running = startProgram('sleep', ['60']);
    running.pass('SIGTERM');
    assert.deepEqual(await running.ended, { kind: 'ended', status: signalStatus('SIGTERM') });
    running.pass('SIGTERM');
  });

  it('says that it could not be started', async () => {
    const { pid, ended } = startProgram('/nonexistent/vmm', []);
    assert.equal(pid, undefined);
    assert.deepEqual(await ended, { kind: 'not-started', status: 127, reason: 'ENOENT' });
  });
});

describe('signalStatus', () => {
  it('is 128 and the number of the signal', () => {
    assert.deepEqual(
      [signalStatus('SIGINT'), signalStatus('SIGKILL'), signalStatus('SIGTERM')],
      [130, 137, 143],
    );
  });
});
