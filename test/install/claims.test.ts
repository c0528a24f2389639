import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withChecksum } from '../../src/claim/checksum.ts';
import { compareLocks, lockFile, type LockName } from '../../src/engine/lock-name.ts';
import { holdLock } from '../held-lock.ts';
import { exampleGuest, stage, succeeds } from '../hook/stage.ts';
import { installer, type Installer } from './installer.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');

/** The claim of a start, as the hook writes it. */
function realClaim(): string {
  const on = stage('amd-rdna3-desktop');
  succeeds(on, win11, 'prepare');
  return readFileSync(join(on.directory, `run/claims/${win11.uuid}.json`), 'utf8');
}

function putClaim({ root }: Installer, name: string, text: string): void {
  const directory = join(root, 'run/vfio-hook/claims');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(join(root, 'run/vfio-hook'), 0o700);
  writeFileSync(join(directory, name), text, { mode: 0o600 });
}

/** Another form of claims: a version that this program does not know. */
function ofAnotherVersion(text: string): string {
  const body = text.replace(/"version": \d+/, '"version": 4').replace(/,\n "checksum": "\w+"/, '');
  assert.notEqual(body, text);
  return withChecksum(body);
}

describe('install.sh over claims that are held', () => {
  it('installs over claims that the new version can read', () => {
    const it1 = installer();
    putClaim(it1, `${win11.uuid}.json`, realClaim());
    const { status, err } = it1.run();
    assert.deepEqual([status, err], [0, '']);
    assert.ok(existsSync(join(it1.root, 'usr/sbin/vfio-hook')));
  });

  for (const [title, change, why] of [
    ['of a version that it does not know', ofAnotherVersion, /its version is 4, not 2 or 3/],
    ['that was cut off', (text: string) => text.slice(0, 100), /the file is no whole JSON document/],
  ] as const) {
    it(`refuses over one ${title}, before anything is replaced`, () => {
      const it1 = installer();
      assert.equal(it1.run().status, 0);
      const before = installedFiles(it1);
      // A version that is new, and would replace files.
      writeFileSync(join(it1.script, '../README.md'), 'new');
      putClaim(it1, `${win11.uuid}.json`, change(realClaim()));
      const { status, out, err } = it1.run();
      assert.deepEqual([status, out], [1, '']);
      const [warning, error, ...hints] = err.trimEnd().split('\n');
      assert.match(warning ?? '', why);
      assert.match(
        warning ?? '',
        new RegExp(`^install\\.sh: warning: \\S+/run/vfio-hook/claims/${win11.uuid}\\.json: `),
      );
      assert.match(error ?? '', /^install\.sh: error: this version cannot read what devices are held by/);
      assert.match(hints.join('\n'), /hint: first let the installed version give them back/);
      assert.deepEqual(installedFiles(it1), before);
    });
  }
});

/** Path, size and time of all that is installed. */
function installedFiles({ root }: Installer): string {
  return spawnSync('find', [join(root, 'usr'), join(root, 'etc'), '-printf', '%p %s %T@ %l\n'], {
    encoding: 'utf8',
  }).stdout;
}

describe('install.sh --uninstall while devices are held', () => {
  const text = realClaimSoon();

  /** Made at the first use: what is built may be looked at only in tests. */
  function realClaimSoon(): () => string {
    let claim: string | undefined;
    return () => (claim ??= realClaim());
  }

  const manual = 'manual-0e1f6a52-8a0e-4c56-9d0f-5f5f0b8d4a11.json';
  for (const [title, names, sentence, hints] of [
    [
      'by a guest',
      [`${win11.uuid}.json`],
      'by guests (1)',
      ['shut the guests down; what is left then: vfio-hook recover'],
    ],
    [
      'by hand: reattach is named, with the addresses',
      [manual],
      'by hand with vfio-hook detach (1)',
      ['vfio-hook reattach 0000:03:00.0 0000:03:00.1'],
    ],
    [
      'by a program of vfio-hook run',
      ['run-0e1f6a52-8a0e-4c56-9d0f-5f5f0b8d4a11.json'],
      'by programs of vfio-hook run (1)',
      ['end the programs that vfio-hook run started'],
    ],
    [
      'by all of them',
      [`${win11.uuid}.json`, 'x.json', manual],
      'by guests (2), by hand with vfio-hook detach (1)',
      [
        'shut the guests down; what is left then: vfio-hook recover',
        'vfio-hook reattach 0000:03:00.0 0000:03:00.1',
      ],
    ],
  ] as const) {
    it(`refuses: ${title}`, () => {
      const it1 = installer();
      it1.run();
      for (const name of names) putClaim(it1, name, text());
      const before = installedFiles(it1);
      for (const args of [['--uninstall'], ['--uninstall', '--dry-run']]) {
        const { status, out, err } = it1.run(args);
        assert.deepEqual([status, out], [1, '']);
        assert.deepEqual(err.trimEnd().split('\n'), [
          `install.sh: error: devices are still held ${sentence}: see ${it1.root}/run/vfio-hook/claims`,
          ...hints.map((hint) => `install.sh: hint: ${hint}`),
          'install.sh: hint: then try again; --force leaves the devices as they are',
        ]);
        assert.equal(installedFiles(it1), before);
      }
    });
  }

  it('goes on with --force and keeps the claims', () => {
    const it1 = installer();
    it1.run();
    putClaim(it1, manual, text());
    assert.equal(it1.run(['--uninstall', '--force']).status, 0);
    assert.equal(existsSync(join(it1.root, 'usr/sbin/vfio-hook')), false);
    assert.ok(existsSync(join(it1.root, 'run/vfio-hook/claims', manual)));
  });

  it('waits for a start that is at work, and then sees what it holds', async () => {
    const it1 = installer();
    it1.run();
    const locks = join(it1.root, 'run/vfio-hook/locks');
    mkdirSync(locks, { recursive: true, mode: 0o700 });
    writeFileSync(join(locks, 'claim-x'), '');
    const start = await holdLock(join(locks, 'group-16'));
    const uninstall = spawn('sh', [it1.script, '--uninstall'], {
      env: it1.env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let err = '';
    uninstall.stderr.setEncoding('utf8').on('data', (said: string) => (err += said));
    const ended = once(uninstall, 'close');
    await start.wanted();
    putClaim(it1, `${win11.uuid}.json`, text());
    await start.release();
    assert.deepEqual(await ended, [1, null]);
    assert.match(err, /^install\.sh: error: devices are still held by guests \(1\)/);
    assert.ok(existsSync(join(it1.root, 'usr/lib/vfio-hook/hook.cjs')));
  });

  it('does not wait for ever, and then removes nothing', async () => {
    const it1 = installer();
    it1.run();
    const before = installedFiles(it1);
    const locks = join(it1.root, 'run/vfio-hook/locks');
    mkdirSync(locks, { recursive: true, mode: 0o700 });
    writeFileSync(it1.script, readFileSync(it1.script, 'utf8').replace('flock -w 30 ', 'flock -w 0.1 '));
    const start = await holdLock(join(locks, 'group-16'));
    const { status, out, err } = it1.run(['--uninstall']);
    await start.release();
    assert.deepEqual([status, out], [1, '']);
    assert.match(
      err,
      /^install\.sh: error: a run of vfio-hook is at work on devices, and was not done in 30 s; nothing was removed\n/,
    );
    assert.equal(installedFiles(it1), before);
  });

  it('takes every lock that there is, in the order of all runs', () => {
    const it1 = installer();
    it1.run();
    const locks = join(it1.root, 'run/vfio-hook/locks');
    mkdirSync(locks, { recursive: true, mode: 0o700 });
    const names: LockName[] = [
      ...['b', 'a', '%', 'manual-1', 'run-1', '../x y'].map((claim) => ({ claim })),
      ...['vfs 0000:02:00.0', 'hugepages 2048kB', 'a*'].map((shared) => ({ shared })),
      ...[100, 16, 2].map((group) => ({ group })),
    ];
    for (const name of names) writeFileSync(join(locks, lockFile(name)), '');
    const [log, bin] = [join(it1.root, 'log'), join(it1.root, 'bin')];
    mkdirSync(bin);
    writeFileSync(
      join(bin, 'flock'),
      `#!/bin/sh\necho "\${5##*/}" >>'${log}'\nexec "$(PATH=/usr/bin:/bin command -v flock)" "$@"\n`,
      { mode: 0o755 },
    );
    const script = readFileSync(it1.script, 'utf8');
    writeFileSync(it1.script, script.replace('\nPATH=', `\nPATH='${bin}':`));
    assert.equal(it1.run(['--uninstall']).status, 0);
    const taken = readFileSync(log, 'utf8').trimEnd().split('\n');
    assert.deepEqual(taken, [...names].sort(compareLocks).map(lockFile));
  }).timeout(60_000);

  it('holds the locks while it removes, the program that a waiting start looks for first', () => {
    const it1 = installer();
    it1.run();
    const locks = join(it1.root, 'run/vfio-hook/locks');
    mkdirSync(locks, { recursive: true, mode: 0o700 });
    const names = ['claim-x', 'shared-hugepages%202048kB', 'group-2', 'group-16'];
    for (const name of names) writeFileSync(join(locks, name), '');
    // Each rm says which locks are taken at that moment.
    const [log, bin] = [join(it1.root, 'log'), join(it1.root, 'bin')];
    mkdirSync(bin);
    writeFileSync(
      join(bin, 'rm'),
      `#!/bin/sh\nfor last; do :; done\nfor name in ${names.join(' ')}; do flock -n '${locks}'/$name true || last="$last $name"; done\necho "$last" >>'${log}'\nexec /bin/rm "$@"\n`,
      { mode: 0o755 },
    );
    const script = readFileSync(it1.script, 'utf8');
    writeFileSync(it1.script, script.replace('\nPATH=', `\nPATH='${bin}':`));
    assert.equal(it1.run(['--uninstall']).status, 0);
    const removed = readFileSync(log, 'utf8').trimEnd().split('\n');
    for (const line of removed) assert.ok(line.endsWith(` ${names.join(' ')}`), line);
    const paths = removed.map((line) => (line.split(' ')[0] ?? '').slice(it1.root.length));
    assert.deepEqual(paths.slice(0, 2), ['/etc/libvirt/hooks/qemu', '/usr/lib/vfio-hook/hook.cjs']);
    rmSync(log);
  }).timeout(60_000);
});
