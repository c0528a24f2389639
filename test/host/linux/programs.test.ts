import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { childEnvironment } from '../../../src/child-environment.ts';
import { guestOwner } from '../../../src/claim/owner.ts';
import { lockRun } from '../../../src/engine/lock.ts';
import type { VfioHookError } from '../../../src/errors.ts';
import { hintText } from '../../../src/hint.ts';
import { linuxHost } from '../../../src/host/linux/host.ts';
import { options, type OptionedProgram } from '../../../src/programs.ts';
import { lockPlace } from '../../engine/processes/lock-place.ts';
import { stateDirectory } from '../../scenario.ts';

let directory = '';
const { PATH } = childEnvironment;

function program(name: string, script: string): void {
  const path = join(directory, 'bin', name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

const ATTRIBUTE = '/proc/sys/kernel/osrelease';

/** What needs each program. */
const users: Readonly<Record<Exclude<OptionedProgram, 'logger' | 'ip'>, () => unknown>> = {
  dd: () => linuxHost.write('/dev/null', '', 5000),
  grep: () => linuxHost.readLocked([ATTRIBUTE], 5000),
  modprobe: () => linuxHost.loadModule('vfio-pci', 5000),
  flock: () => lockRun(lockPlace(join(directory, 'run')), guestOwner({ name: 'a test' }), 100),
};

async function failure(name: keyof typeof users): Promise<string> {
  try {
    await users[name]();
  } catch (error) {
    const { code, message, hints } = error as VfioHookError;
    return [code, message, ...hints.map(hintText)].join(' | ');
  }
  return 'nothing is wrong';
}

const packages = { dd: 'coreutils', grep: 'grep', modprobe: 'kmod', flock: 'util-linux' } as const;

describe('programs of the host', () => {
  /** Children find their programs here only: a script each, or none. */
  beforeEach(() => {
    directory = stateDirectory();
    mkdirSync(join(directory, 'bin'));
    symlinkSync('/bin/sh', join(directory, 'bin/sh'));
    Object.assign(childEnvironment, { PATH: join(directory, 'bin') });
  });
  afterEach(() => {
    Object.assign(childEnvironment, { PATH });
    rmSync(directory, { recursive: true });
  });

  describe('a program of the host', () => {
    for (const name of Object.keys(packages) as (keyof typeof packages)[]) {
      it(`that is missing is named, with its package: ${name}`, async () => {
        assert.equal(
          await failure(name),
          `VH_INSTALLATION | there is no program ${name} in /usr/sbin, /usr/bin, /sbin and /bin | install the package ${packages[name]}`,
        );
      });
    }

    const small: readonly (readonly [name: keyof typeof users, script: string, said: string])[] = [
      ['dd', `echo "dd: invalid argument 'nocreat' to 'conv'" >&2; exit 1`, 'nocreat'],
      ['grep', `echo "grep: unrecognized option '--null'" >&2; exit 2`, '--null'],
      ['flock', `echo "flock: invalid option -- 'E'" >&2; exit 1`, 'invalid option'],
    ];
    for (const [name, script, said] of small) {
      it(`that knows too few options is named, with its package: ${name}`, async () => {
        program(name, script);
        const came = await failure(name);
        assert.ok(
          came.startsWith(`VH_INSTALLATION | the program ${name} of this host does not do what`),
          came,
        );
        assert.ok(came.includes(said) && came.endsWith(`| install the package ${packages[name]}`), came);
      });
    }

    for (const [how, script] of [
      ['is killed', 'kill -9 $$'],
      ['ends with success and says nothing', ':'],
      ['ends with any status', 'exit 3'],
    ] as const) {
      it(`that reads attributes and ${how} is no reason to take them for absent`, async () => {
        program('grep', script);
        assert.match(await failure('grep'), new RegExp(`^VH_KERNEL \\| cannot read ${ATTRIBUTE}: `));
      });
    }

    it('that locks and does not end is not waited for', async function () {
      this.timeout(30_000);
      program('flock', 'exec /bin/sleep 60');
      assert.match(await failure('flock'), /^VH_LOCK \| cannot lock: flock did not end within 5 s \| /);
    });

    it('is started with an option of blacklists only where they count', async () => {
      program('modprobe', `echo "$*" >> "${directory}/args"`);
      await linuxHost.loadModule('vfio-pci', 5000, { obeyBlacklist: true });
      await linuxHost.loadModule('nvidia', 5000);
      program(
        'modprobe',
        `cat() { while read -r line; do echo "$line" >&2; done; }; cat < "${directory}/args"; exit 1`,
      );
      assert.deepEqual(await linuxHost.loadModule('x', 5000), { kind: 'failed', reason: '-- nvidia' });
    });
  });

  describe('linuxHost.tryProgram', () => {
    const names = Object.keys(options) as OptionedProgram[];
    for (const name of names) {
      it(`finds nothing wrong with ${name} of this machine, and says what a small one says`, async () => {
        Object.assign(childEnvironment, { PATH });
        const said = await linuxHost.tryProgram(name, 10_000).catch(() => 'missing');
        if (said === 'missing') console.warn(`        skipped: there is no ${name}`);
        else assert.equal(said, undefined);
        Object.assign(childEnvironment, { PATH: join(directory, 'bin') });
        program(name, 'echo "unrecognized option" >&2; exit 1');
        assert.equal(await linuxHost.tryProgram(name, 10_000), 'unrecognized option');
      });
    }
  });
});
