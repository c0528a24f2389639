import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ClaimOwner } from '../../src/claim/claim.ts';
import { flockBeside, type TakeLock } from '../../src/engine/flock.ts';
import { lockFile, type LockName } from '../../src/engine/lock-name.ts';
import { lockRun, type LockPlace, type RunLocks } from '../../src/engine/lock.ts';
import { shellAt } from '../../src/host/linux/side-shell.ts';
import { startShell, type StartedShell } from '../host/linux/started-shell.ts';
import { guest, scenarios, stateDirectory } from '../scenario.ts';
import { lockPlace } from './processes/lock-place.ts';

const program = fileURLToPath(new URL('processes/hold-lock.ts', import.meta.url));

/** A process of its own that takes locks. */
class Locker {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #readers: ((line: string) => void)[] = [];

  constructor(directory: string, guest: string, timeoutMs: number, names: readonly (string | number)[]) {
    const args = [program, join(directory, 'run'), guest, String(timeoutMs), ...names.map(String)];
    this.#child = spawn(process.execPath, ['--import=tsx', ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, ...(beside && { BESIDE: directory }) },
    });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const reader = this.#readers.shift();
      if (reader) reader(line);
      else this.#lines.push(line);
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** The next line that it says. */
  async says(): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return line;
    return new Promise((resolve) => this.#readers.push(resolve));
  }

  /** Lets it give up what it holds. */
  letGo(): void {
    this.#child.stdin!.end();
  }

  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }
}

let directory = '';
let lockers: Locker[] = [];
/** The shell that has the locks of this process, if it does not have them itself. */
let beside: StartedShell | undefined;

beforeEach(() => {
  directory = stateDirectory();
  lockers = [];
});
afterEach(async () => {
  for (const locker of lockers) if (locker.running) await locker.kill();
  await beside?.end();
  beside = undefined;
  rmSync(directory, { recursive: true });
});

function locker(guest: string, timeoutMs: number, ...names: readonly (string | number)[]): Locker {
  const made = new Locker(directory, guest, timeoutMs, names);
  lockers.push(made);
  return made;
}

const here: ClaimOwner = { kind: 'guest', name: 'here', uuid: 'uuid-of-here' };

function place(onWait?: (sentence: string) => void): LockPlace {
  return {
    ...lockPlace(join(directory, 'run'), onWait),
    ...(beside && { takeLock: flockBeside(shellAt(beside.pid, beside.pipes)) }),
  };
}

/** A run of this process with groups. */
function withGroups(groups: readonly number[], timeoutMs = 0, on = place()): RunLocks {
  const locks = lockRun(on, here, timeoutMs);
  try {
    locks.groups(groups);
    return locks;
  } catch (error) {
    locks.release();
    throw error;
  }
}

/** Locks that everybody gets, and what became of each: `+group-16` when it is taken, `-group-16` when it is given up. */
function noted(timeouts: number[] = [], took = 0): { readonly on: LockPlace; readonly events: string[] } {
  const events: string[] = [];
  let now = 1000;
  const takeLock: TakeLock = (name, deadline) => {
    timeouts.push(deadline - now);
    now += took;
    events.push(`+${lockFile(name)}`);
    return () => events.push(`-${lockFile(name)}`);
  };
  return { on: { ...place(), takeLock, host: { now: () => now } }, events };
}

for (const how of ['locks of processes', 'locks of shells beside processes'])
  describe(how, () => {
    beforeEach(() => {
      if (how === 'locks of shells beside processes') beside = startShell(directory);
    });

    it('give a group to one run at a time: the second waits, says for whom, and then has it', async () => {
      const first = locker('win11', 0, 16);
      assert.equal(await first.says(), 'holds');
      const second = locker('second', 20_000, 16);
      assert.equal(
        await second.says(),
        `waits: waiting for guest "win11" (pid ${first.pid}), which works on IOMMU group 16`,
      );
      first.letGo();
      assert.equal(await first.says(), 'released');
      assert.equal(await second.says(), 'holds');
    });

    for (const [name, words] of [
      ['claim:6f9b', 'the same guest'],
      ['claim:manual-6f9b', 'the same claim'],
      ['shared:hugepages 2048kB node0', 'hugepages 2048kB node0'],
    ] as const) {
      it(`give ${name} to one run at a time, whatever groups it has`, async () => {
        const first = locker('win11', 0, name, 16);
        assert.equal(await first.says(), 'holds');
        const second = locker('second', 20_000, name, 17);
        assert.equal(
          await second.says(),
          `waits: waiting for guest "win11" (pid ${first.pid}), which works on ${words}`,
        );
        first.letGo();
        assert.equal(await first.says(), 'released');
        assert.equal(await second.says(), 'holds');
      });
    }

    it('keep nobody from other claims, other shared things and other groups', async () => {
      const first = locker('first', 0, 'claim:a', 'shared:x', 16, 17);
      const second = locker('second', 0, 'claim:b', 'shared:y', 18, 19);
      assert.deepEqual(await Promise.all([first.says(), second.says()]), ['holds', 'holds']);
    });

    it('are over with the process that holds them, however that ends', async () => {
      const first = locker('first', 0, 16);
      assert.equal(await first.says(), 'holds');
      const second = locker('second', 20_000, 16);
      assert.match(await second.says(), /^waits: /);
      await first.kill();
      assert.equal(await second.says(), 'holds');
    });

    it('are waited for no longer than a run may, and who is in the way is named', async () => {
      const first = locker('win"11', 0, 16);
      assert.equal(await first.says(), 'holds');
      const waited: string[] = [];
      const began = performance.now();
      const on = place((said) => waited.push(said));
      assert.throws(() => withGroups([16], 300, on), {
        code: 'VH_LOCK',
        message: `IOMMU group 16 is being worked on by guest "win\\"11" (pid ${first.pid}), which did not finish in 0.3 s`,
      });
      const took = performance.now() - began;
      assert.ok(took >= 290 && took < 5000, `${took} ms`);
      assert.equal(waited.length, 1);
    });

    it('are taken in one order whatever the order they are named in, so that nobody waits in a circle', async () => {
      const names = ['claim:a', 'claim:b', 'shared:x', 'shared:y', 16, 17];
      const first = locker('first', 20_000, ...names);
      assert.equal(await first.says(), 'holds');
      const others = [
        locker('second', 20_000, ...[...names].reverse()),
        locker('third', 20_000, 17, 'shared:y', 'claim:b', 'claim:a', 16, 'shared:x'),
      ];
      for (const other of others) assert.match(await other.says(), /, which works on the same guest$/);
      for (const each of [first, ...others]) each.letGo();
      for (const other of others) {
        let line = await other.says();
        while (line.startsWith('waits: ')) line = await other.says();
        assert.equal(line, 'holds');
        assert.equal(await other.says(), 'released');
      }
    });

    it('are given up by a run that cannot have all', async () => {
      const first = locker('first', 0, 17);
      assert.equal(await first.says(), 'holds');
      assert.throws(() => withGroups([16, 17]), { code: 'VH_LOCK' });
      const second = locker('second', 0, `claim:${here.uuid}`, 16);
      assert.equal(await second.says(), 'holds');
    });

    it('of claims are given up when a run cannot even begin', async () => {
      const first = locker('first', 0, 'claim:b');
      assert.equal(await first.says(), 'holds');
      const [a, b] = ['a', 'b'].map((uuid): ClaimOwner => ({ kind: 'guest', name: '', uuid }));
      assert.throws(() => lockRun(place(), a!, 0, [b!]), { code: 'VH_LOCK' });
      const second = locker('second', 0, 'claim:a');
      assert.equal(await second.says(), 'holds');
    });

    it('of groups can be given up alone, and be asked for again', async () => {
      const locks = withGroups([16]);
      locks.releaseGroups();
      const second = locker('second', 0, 16);
      assert.equal(await second.says(), 'holds');
      const third = locker('third', 0, `claim:${here.uuid}`);
      assert.match(await third.says(), /^waits: /);
      assert.throws(
        () => {
          locks.groups([16]);
        },
        { code: 'VH_LOCK' },
      );
      locks.release();
    });

    it('are free again after release, which may come twice', () => {
      const locks = withGroups([16]);
      locks.release();
      locks.release();
      withGroups([16]).release();
    });

    it('keep their files for their own user, and say in them who has the lock', () => {
      const locks = lockRun(place(), here, 0);
      locks.shared(['vfs 0000:02:00.0']);
      locks.groups([16]);
      for (const name of ['claim-uuid-of-here', 'shared-vfs%200000%3a02%3a00.0', 'group-16']) {
        const file = join(directory, 'run/locks', name);
        assert.equal(readFileSync(file, 'utf8'), `guest "here" (pid ${process.pid})\n`);
        assert.equal(statSync(file).mode & 0o777, 0o600);
      }
      assert.equal(statSync(join(directory, 'run/locks')).mode & 0o777, 0o700);
      locks.release();
    });

    it('escape a hostile name', () => {
      const locks = lockRun(place(), { kind: 'guest', name: '\u001b[2Jwin"\n', uuid: '../../x' }, 0);
      assert.ok(
        readFileSync(join(directory, 'run/locks/claim-..%2f..%2fx'), 'utf8').startsWith(
          'guest "\\u{1b}[2Jwin\\"\\u{a}" (pid',
        ),
      );
      locks.release();
    });

    it('with a name that no file can have are not to be had', () => {
      const locks = lockRun(place(), here, 0);
      assert.throws(
        () => {
          locks.shared(['x'.repeat(300)]);
        },
        { code: 'VH_LOCK', message: /: ENAMETOOLONG$/ },
      );
      locks.release();
    });

    it('do not follow a link in the place of a lock, nor write to what it leads to', () => {
      mkdirSync(join(directory, 'run/locks'), { recursive: true, mode: 0o700 });
      chmodSync(join(directory, 'run'), 0o700);
      writeFileSync(join(directory, 'victim'), 'untouched');
      symlinkSync(join(directory, 'victim'), join(directory, 'run/locks/group-16'));
      assert.throws(() => withGroups([16]), {
        code: 'VH_LOCK',
        message: `cannot open ${join(directory, 'run/locks/group-16')}: ELOOP`,
      });
      assert.equal(readFileSync(join(directory, 'victim'), 'utf8'), 'untouched');
    });

    it('do not go into a directory that others can enter', () => {
      mkdirSync(join(directory, 'run/locks'), { recursive: true, mode: 0o700 });
      chmodSync(join(directory, 'run'), 0o700);
      chmodSync(join(directory, 'run/locks'), 0o777);
      assert.throws(() => withGroups([16]), { code: 'VH_CLAIM' });
    });
  });

describe('lockRun', () => {
  const other: ClaimOwner = { kind: 'guest', name: 'other', uuid: 'a' };

  it('takes claims, then what is shared by name, then groups by number, each once, and gives up the last first', () => {
    const { on, events } = noted();
    const locks = lockRun(on, here, 0, [other, here]);
    locks.shared(['y', 'x', 'y']);
    locks.groups([16, 9, 16, 100]);
    locks.release();
    const taken = [
      ...['claim-a', 'claim-uuid-of-here', 'shared-x', 'shared-y'],
      ...['group-9', 'group-16', 'group-100'],
    ];
    assert.deepEqual(events, [
      ...taken.map((name) => `+${name}`),
      ...[...taken].reverse().map((name) => `-${name}`),
    ]);
  });

  it('knows what it has, and has nothing after release', () => {
    const { on } = noted();
    const locks = lockRun(on, here, 0);
    locks.groups([16]);
    const all: LockName[] = [{ claim: here.uuid }, { claim: 'a' }, { shared: here.uuid }, { group: 16 }];
    assert.deepEqual(
      all.map((name) => locks.holds(name)),
      [true, false, false, true],
    );
    locks.releaseGroups();
    assert.deepEqual(
      all.map((name) => locks.holds(name)),
      [true, false, false, false],
    );
    locks.release();
    assert.deepEqual(
      all.map((name) => locks.holds(name)),
      [false, false, false, false],
    );
  });

  it('keeps claims and what is shared between two rounds', () => {
    const { on, events } = noted();
    const locks = lockRun(on, here, 0);
    locks.shared(['x']);
    locks.groups([16]);
    locks.releaseGroups();
    locks.groups([9, 16]);
    assert.deepEqual(events.slice(2), ['+group-16', '-group-16', '+group-9', '+group-16']);
    locks.release();
  });

  for (const [title, ask, said] of [
    [
      'what is shared while it has a group',
      (locks: RunLocks) => {
        locks.groups([16]);
        locks.shared(['x']);
      },
      'the lock shared-x is asked for by a run that has group-16',
    ],
    [
      'a group that comes before one that it has',
      (locks: RunLocks) => {
        locks.groups([16]);
        locks.groups([9]);
      },
      'the lock group-9 is asked for by a run that has group-16',
    ],
    [
      'what is shared and comes before what it has',
      (locks: RunLocks) => {
        locks.shared(['y']);
        locks.shared(['x']);
      },
      'the lock shared-x is asked for by a run that has shared-y',
    ],
    [
      'a lock that it has already',
      (locks: RunLocks) => {
        locks.groups([16]);
        locks.groups([16]);
      },
      'the lock group-16 is asked for by a run that has group-16',
    ],
  ] as const) {
    it(`lets no run of ours ask for ${title}`, () => {
      const { on, events } = noted();
      const locks = lockRun(on, here, 0);
      const before = events.length + 1;
      assert.throws(
        () => {
          ask(locks);
        },
        (error) => error instanceof Error && error.constructor === Error && error.message === said,
      );
      assert.equal(events.length, before, 'it took the lock');
      locks.release();
    });
  }

  it('has one time for all that it waits, and none of it passes while it works', () => {
    const timeouts: number[] = [];
    const { on } = noted(timeouts, 300);
    const locks = lockRun(on, here, 1000);
    locks.shared(['x']);
    locks.groups([16, 17]);
    locks.releaseGroups();
    locks.groups([16]);
    assert.deepEqual(timeouts, [1000, 700, 400, 100, 0]);
    locks.release();
  });
});

describe('the lock file of a claim', () => {
  const scenario = scenarios();
  const GPU = '0000:03:00.0';

  it('of a detach goes with the claim, however often somebody detaches', async () => {
    const s = scenario();
    const files = (): string[] => readdirSync(join(s.directory, 'run/locks')).sort();
    await s.detach([GPU]);
    const [, lock] = files();
    assert.match(lock ?? '', /^group-16$/);
    assert.equal(files().filter((name) => name.startsWith('claim-manual-')).length, 1);
    assert.equal((await s.recover())[0]?.outcome, 'left');
    assert.equal(files().length, 2, 'somebody else may have it open');
    await s.reattach([GPU]);
    await s.reattach([GPU]);
    assert.deepEqual(files(), ['group-16']);
  });

  it('of a guest stays, since its next start needs the same', async () => {
    const s = scenario();
    const win11 = guest('win11', GPU);
    await s.prepare(win11);
    await s.release('win11');
    assert.deepEqual(readdirSync(join(s.directory, 'run/locks')).sort(), [`claim-${win11.uuid}`, 'group-16']);
  });
});
