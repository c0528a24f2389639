import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { followJournal, type Followed } from '../../src/cli/log-follow.ts';
import { temporaryDirectory } from '../hook/compiled.ts';
import { until } from '../until.ts';

/** A journalctl that writes down its arguments and its number, and prints what comes through a pipe. */
interface Journal {
  readonly program: string;
  readonly pipe: string;
  readonly asked: () => string;
  readonly pid: () => number;
}

function journal(): Journal {
  const directory = temporaryDirectory();
  const path = (name: string): string => join(directory, name);
  spawnSync('mkfifo', [path('pipe')]);
  writeFileSync(
    path('journalctl'),
    `#!/bin/sh\necho "$*" >'${path('asked')}'\necho $$ >'${path('pid')}'\nexec cat '${path('pipe')}'\n`,
    { mode: 0o755 },
  );
  return {
    program: path('journalctl'),
    pipe: path('pipe'),
    asked: () => (existsSync(path('asked')) ? readFileSync(path('asked'), 'utf8').trim() : ''),
    pid: () => Number(readFileSync(path('pid'), 'utf8')),
  };
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('followJournal', () => {
  let followed: Followed | undefined;
  let writer: FileHandle | undefined;
  afterEach(async () => {
    followed?.stop();
    await writer?.close();
    [followed, writer] = [undefined, undefined];
  });

  for (const [cursor, from] of [
    ['s=1;i=2', '--after-cursor s=1;i=2 --no-tail'],
    [undefined, '-n 0'],
  ] as const) {
    it(`${cursor === undefined ? 'from now on' : 'behind an entry'}: each line of root as it comes`, async () => {
      const { program, pipe, asked } = journal();
      const lines: string[] = [];
      let ended = 0;
      const told = { onLine: (line: string) => lines.push(line), onEnd: () => (ended += 1) };
      followed = followJournal(cursor, told, program);
      writer = await open(pipe, 'w');
      await writer.write('one\ntwo\nthr');
      await until(() => lines.length === 2);
      await writer.write('ee\n');
      await until(() => lines.length === 3);
      assert.deepEqual([lines, ended], [['one', 'two', 'three'], 0]);
      assert.match(asked(), / _UID=0 .* -f /);
      assert.ok(asked().endsWith(` -f ${from}`), asked());
    });
  }

  it('says when journalctl ends by itself, also when it is not there', async () => {
    const { program, pipe } = journal();
    let ended = 0;
    const told = { onLine: () => undefined, onEnd: () => (ended += 1) };
    followed = followJournal(undefined, told, program);
    await (await open(pipe, 'w')).close();
    await until(() => ended > 0);
    const missing = followJournal(undefined, told, `${program}-that-is-not-there`);
    await until(() => ended > 1);
    missing.stop();
    assert.equal(ended, 2);
  });

  it('when it is stopped, ends journalctl, and is silent', async () => {
    const { program, pipe, pid } = journal();
    const heard: string[] = [];
    const told = { onLine: (line: string) => heard.push(line), onEnd: () => heard.push('the end') };
    followed = followJournal(undefined, told, program);
    writer = await open(pipe, 'w');
    await writer.write('one\n');
    await until(() => heard.length === 1);
    const number = pid();
    followed.stop();
    await until(() => !isThere(number));
    assert.deepEqual(heard, ['one']);
  });
});
