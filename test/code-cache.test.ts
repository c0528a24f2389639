import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { codeCache, codeDirectory } from '../src/code-cache.ts';
import { exampleGuest, call, claims, stage, type Stage } from './hook/stage.ts';
import { choose, install, type Installation } from './hook/compiled.ts';

describe('codeDirectory', () => {
  it('is root’s alone, and a simulated machine’s own; the command has none', () => {
    const prepare = ['win11', 'prepare', 'begin', '-'];
    const called = '/etc/libvirt/hooks/qemu';
    const ofRoot = (operation: string): string | undefined =>
      process.geteuid?.() === 0 ? `/var/cache/vfio-hook/${operation}` : undefined;
    assert.equal(codeDirectory(called, prepare), ofRoot('prepare'));
    assert.equal(codeDirectory(called, ['win11', 'release', 'end', 'shutdown']), ofRoot('release'));
    assert.equal(codeDirectory(called, [...prepare, '--simulated-machine', '/m']), '/m/cache/prepare');
    for (const args of [['win11', 'started', 'begin', '-'], ['win11', '../x', 'begin', '-'], []])
      assert.equal(codeDirectory(called, args), undefined);
    for (const command of ['vfio-hook', '/usr/sbin/vfio-hook'])
      assert.equal(codeDirectory(command, prepare), undefined);
    assert.equal(codeDirectory('--unreadable-claims', ['/run/vfio-hook']), undefined);
  });
});

describe('codeCache', () => {
  let work = '';
  let directory = '';
  const part = (): string => join(work, '0.2.0-00000000/main.cjs');
  const kept = (): string => join(directory, '0.2.0-00000000-main.cjs');
  const text = (answer: number): string => `"use strict";exports.answer=function(){return ${answer}};\n`;
  /** Another one of the same length each time: V8 itself knows those again that it has compiled in this process. */
  let others = 1001;
  /** One run: what the part answers. */
  const run = (): unknown => {
    const cache = codeCache(directory, createRequire(part()));
    const { answer } = cache.load(part()) as { answer: () => unknown };
    const said = answer();
    cache.keep();
    return said;
  };
  /** Whether a run takes what is kept: then it does not heed that the text is another one, of the same length. */
  const isTaken = (): boolean => {
    writeFileSync(part(), text(others++));
    const said = codeCache(directory, createRequire(part())).load(part()) as { answer: () => unknown };
    writeFileSync(part(), text(1000));
    return said.answer() === 1000;
  };

  beforeEach(() => {
    work = mkdtempSync(join(tmpdir(), 'vfio-hook-'));
    directory = join(work, 'cache/prepare');
    mkdirSync(join(work, '0.2.0-00000000'));
    writeFileSync(part(), text(1000));
  });
  afterEach(() => {
    rmSync(work, { recursive: true });
  });

  it('keeps what was compiled, for its own user, and takes it in the next run', () => {
    assert.equal(run(), 1000);
    assert.deepEqual(readdirSync(directory), ['0.2.0-00000000-main.cjs']);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    assert.equal(statSync(kept()).mode & 0o777, 0o600);
    assert.equal(isTaken(), true);
    const { mtimeMs } = statSync(kept());
    assert.equal(run(), 1000);
    assert.equal(statSync(kept()).mtimeMs, mtimeMs, 'and does not write it again');
  });

  it('loads a part once, as Node does', () => {
    const cache = codeCache(directory, createRequire(part()));
    assert.equal(cache.load(part()), cache.load(part()));
  });

  it('takes nothing that is damaged, wherever and however, and keeps it anew', () => {
    run();
    const whole = readFileSync(kept());
    fc.assert(
      fc.property(
        fc.oneof(
          fc.record({ at: fc.nat(whole.length - 1), to: fc.integer({ min: 1, max: 255 }) }),
          fc.record({ length: fc.nat(whole.length - 1) }),
        ),
        (damage) => {
          const bytes = Buffer.from(whole);
          if ('at' in damage) bytes.writeUInt8((bytes.readUInt8(damage.at) + damage.to) % 256, damage.at);
          writeFileSync(kept(), 'at' in damage ? bytes : bytes.subarray(0, damage.length));
          assert.equal(isTaken(), false);
          assert.equal(run(), 1000);
          assert.equal(isTaken(), true);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('takes nothing of another Node', () => {
    run();
    const bytes = readFileSync(kept());
    assert.ok(bytes.toString('latin1', 0, 64).startsWith(`${process.version} ${process.arch} `));
    bytes.write('v18.19.1', 0);
    writeFileSync(kept(), bytes);
    assert.equal(isTaken(), false);
  });

  const tampers: readonly (readonly [what: string, tamper: () => void])[] = [
    [
      'a file that others may write to',
      () => {
        chmodSync(kept(), 0o602);
      },
    ],
    [
      'a file that its group may write to',
      () => {
        chmodSync(kept(), 0o620);
      },
    ],
    [
      'a directory that others may write to',
      () => {
        chmodSync(directory, 0o777);
      },
    ],
    [
      'a link in the place of the file',
      () => {
        renameSync(kept(), join(work, 'other'));
        symlinkSync(join(work, 'other'), kept());
      },
    ],
    [
      'a directory above that others may write to',
      () => {
        chmodSync(join(work, 'cache'), 0o777);
      },
    ],
    [
      'a link in the place of the directory',
      () => {
        renameSync(directory, join(work, 'other'));
        symlinkSync(join(work, 'other'), directory);
      },
    ],
    [
      'a directory in the place of the file',
      () => {
        rmSync(kept());
        mkdirSync(kept());
      },
    ],
    ...(process.geteuid?.() === 0
      ? ([
          [
            'a file of another user',
            () => {
              chownSync(kept(), 65_534, 0);
            },
          ],
          [
            'a directory of another user',
            () => {
              chownSync(directory, 65_534, 0);
            },
          ],
        ] as const)
      : []),
  ];
  for (const [what, tamper] of tampers) {
    it(`takes nothing from ${what}, and goes on without`, () => {
      run();
      tamper();
      assert.equal(isTaken(), false);
      assert.equal(run(), 1000);
    });
  }

  it('writes into no directory of others, and follows no link that waits for it', () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o777);
    run();
    assert.deepEqual(readdirSync(directory), []);
    chmodSync(directory, 0o700);
    const victim = join(work, 'victim');
    writeFileSync(victim, 'untouched');
    symlinkSync(victim, join(directory, `.0.2.0-00000000-main.cjs.${process.pid}`));
    run();
    assert.equal(readFileSync(victim, 'utf8'), 'untouched');
  });

  it('removes what other builds have kept of the part, and nothing else', () => {
    run();
    for (const name of [
      '0.1.0-11111111-main.cjs',
      '.0.1.0-11111111-main.cjs.4711',
      '0.1.0-11111111-domain.cjs',
    ])
      writeFileSync(join(directory, name), '');
    rmSync(kept());
    run();
    assert.deepEqual(readdirSync(directory), ['0.1.0-11111111-domain.cjs', '0.2.0-00000000-main.cjs']);
  });
});

describe('the hook with kept code', () => {
  const win11 = exampleGuest('windows-11-rx7900xtx');
  const start = (on: Stage, { hook }: Installation): readonly unknown[] => {
    const { status, stderr } = call(on, win11, 'prepare', { program: hook });
    const held = Object.keys(claims(on)).length;
    assert.equal(call(on, win11, 'release', { program: hook }).status, 0);
    return [status, stderr, held];
  };

  it('runs by it: the text of the part that reads the guest’s XML is not even there any more', () => {
    const installed = install({ launcher: choose(process.execPath) });
    const on = stage('amd-rdna3-desktop');
    const [, directory = ''] = /^\/\/ parts: (.+)$/m.exec(readFileSync(installed.program, 'utf8')) ?? [];
    const part = join(installed.program, '..', directory, 'domain.cjs');
    assert.deepEqual(start(on, installed), [0, '', 1]);
    assert.deepEqual(readdirSync(join(on.directory, 'cache')), ['prepare', 'release']);
    writeFileSync(part, ' '.repeat(readFileSync(part).length));
    assert.deepEqual(start(on, installed), [0, '', 1]);
  });

  it('keeps nothing of a run that failed', () => {
    const installed = install({ launcher: choose(process.execPath) });
    const on = stage('amd-rdna3-desktop');
    writeFileSync(join(on.directory, 'run'), 'in the way');
    assert.equal(call(on, win11, 'prepare', { program: installed.hook }).status, 1);
    assert.equal(existsSync(join(on.directory, 'cache')), false);
  });
});
