import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ownerPhrase } from '../../src/claim/owner.ts';
import type { LockOptions } from '../../src/engine/flock.ts';
import { lockGroups } from '../../src/engine/lock.ts';
import { stateDirectory } from '../scenario.ts';

const program = fileURLToPath(new URL('processes/hold-lock.ts', import.meta.url));

/** A process of its own that takes locks. */
class Locker {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #readers: ((line: string) => void)[] = [];

  constructor(directory: string, guest: string, timeoutMs: number, groups: readonly number[]) {
    const args = [program, directory, guest, String(timeoutMs), ...groups.map(String)];
    this.#child = spawn(process.execPath, ['--import=tsx', ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
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

beforeEach(() => {
  directory = stateDirectory();
  lockers = [];
});
afterEach(async () => {
  for (const locker of lockers) if (locker.running) await locker.kill();
  rmSync(directory, { recursive: true });
});

function locker(guest: string, timeoutMs: number, ...groups: readonly number[]): Locker {
  const made = new Locker(join(directory, 'run'), guest, timeoutMs, groups);
  lockers.push(made);
  return made;
}

function options(rest: Partial<LockOptions> = {}): LockOptions {
  return {
    stateDirectory: join(directory, 'run'),
    trustedUid: process.getuid?.() ?? 0,
    timeoutMs: 0,
    who: 'guest "here"',
    now: () => performance.now(),
    onWait: () => undefined,
    ...rest,
  };
}

describe('lockGroups', () => {
  it('gives a group to one run at a time: the second waits, says for whom, and then has it', async () => {
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

  it('gives disjoint groups to two runs at once', async () => {
    const first = locker('first', 0, 16, 17);
    const second = locker('second', 0, 18, 19);
    assert.deepEqual(await Promise.all([first.says(), second.says()]), ['holds', 'holds']);
  });

  it('is over with the process that holds it, however that ends', async () => {
    const first = locker('first', 0, 16);
    assert.equal(await first.says(), 'holds');
    const second = locker('second', 20_000, 16);
    assert.match(await second.says(), /^waits: /);
    await first.kill();
    assert.equal(await second.says(), 'holds');
  });

  it('waits no longer than it may, and names who is in the way', async () => {
    const first = locker('win"11', 0, 16);
    assert.equal(await first.says(), 'holds');
    const waited: string[] = [];
    const began = performance.now();
    assert.throws(() => lockGroups([16], options({ timeoutMs: 300, onWait: (said) => waited.push(said) })), {
      code: 'VH_LOCK',
      message: `IOMMU group 16 is being worked on by guest "win\\"11" (pid ${first.pid}), which did not finish in 0.3 s`,
    });
    const took = performance.now() - began;
    assert.ok(took >= 290 && took < 5000, `${took} ms`);
    assert.equal(waited.length, 1);
  });

  it('takes groups in the same order whatever the order they are named in, so that nobody waits in a circle', async () => {
    const first = locker('first', 20_000, 16, 17, 18);
    assert.equal(await first.says(), 'holds');
    const others = [locker('second', 20_000, 18, 17, 16), locker('third', 20_000, 17, 16, 18)];
    for (const other of others) assert.match(await other.says(), /, which works on IOMMU group 16$/);
    for (const each of [first, ...others]) each.letGo();
    for (const other of others) {
      let line = await other.says();
      while (line.startsWith('waits: ')) line = await other.says();
      assert.equal(line, 'holds');
      assert.equal(await other.says(), 'released');
    }
  });

  it('takes a group once that is named twice', () => {
    lockGroups([16, 16], options()).release();
  });

  it('gives back the groups that it has when it cannot have all', async () => {
    const first = locker('first', 0, 17);
    assert.equal(await first.says(), 'holds');
    assert.throws(() => lockGroups([16, 17], options()), { code: 'VH_LOCK' });
    const second = locker('second', 0, 16);
    assert.equal(await second.says(), 'holds');
  });

  it('is free again after release, and may be released twice', () => {
    const locks = lockGroups([16], options());
    locks.release();
    locks.release();
    lockGroups([16], options()).release();
  });

  it('keeps its files for its own user, and says in them who has the lock', () => {
    const locks = lockGroups([16], options());
    const file = join(directory, 'run/locks/group-16');
    assert.equal(readFileSync(file, 'utf8'), `guest "here" (pid ${process.pid})\n`);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(join(directory, 'run/locks')).mode & 0o777, 0o700);
    locks.release();
  });

  it('escapes a hostile name', () => {
    const locks = lockGroups(
      [16],
      options({ who: ownerPhrase({ kind: 'guest', name: '\u001b[2Jwin"\n', uuid: '' }) }),
    );
    assert.ok(
      readFileSync(join(directory, 'run/locks/group-16'), 'utf8').startsWith(
        'guest "\\u{1b}[2Jwin\\"\\u{a}" (pid',
      ),
    );
    locks.release();
  });

  it('does not follow a link in the place of a lock, nor write to what it leads to', () => {
    mkdirSync(join(directory, 'run/locks'), { recursive: true, mode: 0o700 });
    chmodSync(join(directory, 'run'), 0o700);
    writeFileSync(join(directory, 'victim'), 'untouched');
    symlinkSync(join(directory, 'victim'), join(directory, 'run/locks/group-16'));
    assert.throws(() => lockGroups([16], options()), {
      code: 'VH_LOCK',
      message: `cannot open ${join(directory, 'run/locks/group-16')}: ELOOP`,
    });
    assert.equal(readFileSync(join(directory, 'victim'), 'utf8'), 'untouched');
  });

  it('does not go into a directory that others can enter', () => {
    mkdirSync(join(directory, 'run/locks'), { recursive: true, mode: 0o700 });
    chmodSync(join(directory, 'run'), 0o700);
    chmodSync(join(directory, 'run/locks'), 0o777);
    assert.throws(() => lockGroups([16], options()), { code: 'VH_CLAIM' });
  });
});
