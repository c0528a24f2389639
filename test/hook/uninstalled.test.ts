import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { holdLock } from '../held-lock.ts';
import { choose, install } from './compiled.ts';
import { begin, changes, claims, exampleGuest, stage, succeeds } from './stage.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');

describe('a program that is removed while a run waits for its lock', () => {
  for (const [moment, name, which] of [
    ['prepare', `claim-${win11.uuid}`, 'of its claim'],
    ['prepare', 'group-16', 'of its group'],
    ['release', `claim-${win11.uuid}`, 'of its claim'],
    ['release', 'group-16', 'of its group'],
  ] as const) {
    it(
      moment === 'prepare'
        ? `the start is refused, and nothing is changed: the lock ${which}`
        : `a release does its work all the same: the lock ${which}`,
      async () => {
        const on = stage('amd-rdna3-desktop');
        const installed = install({ launcher: choose(process.execPath) });
        if (moment === 'release') succeeds(on, win11, 'prepare');
        const locks = join(on.directory, 'run/locks');
        mkdirSync(locks, { recursive: true, mode: 0o700 });
        const before = changes(on);
        const lock = await holdLock(join(locks, name));
        const running = begin(on, win11, moment, { program: installed.hook });
        await lock.wanted();
        rmSync(installed.program);
        await lock.release();
        const { status, stdout, stderr } = await running.ended;
        assert.equal(stdout, '');
        assert.deepEqual(claims(on), {});
        if (moment === 'release') {
          assert.deepEqual([status, stderr], [0, '']);
          return;
        }
        assert.equal(status, 1);
        assert.match(
          stderr,
          /^vfio-hook: error: vfio-hook was removed from this host while this run waited\n/,
        );
        assert.equal(changes(on), before);
      },
    );
  }
});
