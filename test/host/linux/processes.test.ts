import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  blockedWrites,
  holdersOf,
  isAlive,
  libvirtProcesses,
  startTimeOf,
  WRITER_VARIABLE,
} from '../../../src/host/linux/processes.ts';
import { stateDirectory } from '../../scenario.ts';

let directory = '';
let children: ChildProcess[] = [];

beforeEach(() => {
  directory = stateDirectory();
  children = [];
});
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await gone;
  }
  rmSync(directory, { recursive: true });
});

/** A program that runs until it is killed; resolves once it is that program, with these arguments. */
async function running(
  command: string,
  args: readonly string[],
  more: { argv0?: string; env?: NodeJS.ProcessEnv; stdio?: 'ignore' } = {},
): Promise<number> {
  const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'inherit'], ...more });
  children.push(child);
  await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  return child.pid!;
}

async function until(condition: () => boolean): Promise<void> {
  const patience = performance.now() + 10_000;
  while (!condition()) {
    assert.ok(performance.now() < patience, 'it did not come to pass');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('startTimeOf', () => {
  it('is a number that stays the same while a process lives', () => {
    const first = startTimeOf(process.pid);
    assert.ok(first !== undefined && Number.isInteger(first) && first > 0);
    assert.equal(startTimeOf(process.pid), first);
  });

  it('is nothing for a process that is not there', () => {
    assert.equal(startTimeOf(-1), undefined);
    assert.equal(startTimeOf(2 ** 30), undefined);
  });

  it('reads past a program’s name, whatever is in it', async () => {
    const program = join(directory, 'a) R 1 (b');
    copyFileSync('/bin/sleep', program);
    const pid = await running(program, ['60']);
    await until(() => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'a) R 1 (b\n');
    const ours = startTimeOf(process.pid)!;
    const theirs = startTimeOf(pid)!;
    assert.ok(theirs >= ours && theirs < ours + 100 * 3600, `${theirs}, this process ${ours}`);
    assert.equal(isAlive({ pid, startTime: theirs }), true);
  });
});

describe('isAlive', () => {
  it('knows this process, and no other one with its pid', () => {
    const startTime = startTimeOf(process.pid)!;
    assert.equal(isAlive({ pid: process.pid, startTime }), true);
    assert.equal(isAlive({ pid: process.pid, startTime: startTime + 1 }), false);
    assert.equal(isAlive({ pid: 2 ** 30, startTime }), false);
    assert.equal(isAlive({ pid: -1, startTime: -1 }), false);
  });

  it('does not count a process that is dead and not yet reaped', async function () {
    // A parent that does not wait for its child, which stays a zombie for as long as the parent lives.
    const program = '$| = 1; if (my $pid = fork) { print $pid; sleep 60 } else { exit }';
    const child = spawn('perl', ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const pid = await new Promise<number | undefined>((resolve) => {
      child.once('error', () => {
        resolve(undefined);
      });
      child.stdout.once('data', (data: Buffer) => {
        resolve(Number(data.toString()));
      });
    });
    if (pid === undefined) this.skip();
    await until(() => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '));
    assert.equal(isAlive({ pid, startTime: startTimeOf(pid)! }), false);
  });
});

describe('holdersOf', () => {
  /** A process that has the node open, called as libvirt calls QEMU. */
  async function qemu(node: string, ...args: readonly string[]): Promise<number> {
    // tail -f keeps the file open; what follows `--` it takes for files that are not there.
    const child = spawn('tail', ['-q', '-F', node, '--', ...args], {
      argv0: 'qemu-system-x86_64',
      stdio: 'ignore',
    });
    children.push(child);
    await until(() => holdersOf(node).length > 0);
    return child.pid!;
  }

  const names: readonly (readonly [args: readonly string[], guest: string | undefined])[] = [
    [['-name', 'guest=win11,debug-threads=on'], 'win11'],
    [['-name', 'guest=win,,11,debug-threads=on'], 'win,11'],
    [['-name', 'guest=,,,,'], ',,'],
    [['-name', 'win11'], 'win11'],
    [['-name'], undefined],
    [['-names', 'guest=win11'], undefined],
    [[], undefined],
  ];
  for (const [args, guest] of names) {
    it(`takes ${guest === undefined ? 'no name' : JSON.stringify(guest)} for the guest’s from ${JSON.stringify(args)}`, async () => {
      const node = join(directory, 'node');
      writeFileSync(node, '');
      const pid = await qemu(node, ...args);
      assert.deepEqual(holdersOf(node), [{ pid, name: 'tail', ...(guest !== undefined && { guest }) }]);
    });
  }
});

describe('libvirtProcesses', () => {
  /** A program whose short name is that of the file, as `comm` has it. */
  async function named(name: string, ...args: readonly string[]): Promise<number> {
    const program = join(directory, name);
    copyFileSync('/usr/bin/tail', program);
    chmodSync(program, 0o755);
    return running(program, ['-q', '-F', '/dev/null', '--', ...args], { stdio: 'ignore' });
  }

  it('finds daemons and guests with name and UUID, and no other program of such arguments', async () => {
    const uuid = '7d0c1e0a-54b2-4c7e-9a55-0d3b8f1c2a01';
    const name = ['-name', 'guest=win11,debug-threads=on'];
    const daemons = [await named('libvirtd'), await named('virtqemud')];
    const guests = [
      await named('qemu-system-x86', ...name, '-uuid', uuid),
      await named('qemu-kvm', '-name', 'other'),
    ];
    const strangers = [await named('vim', ...name), await named('qemu-img'), await named('libvirtd.old')];
    const ours = (pid: number): boolean => [...daemons, ...guests, ...strangers].includes(pid);
    const found = (): ReturnType<typeof libvirtProcesses> => {
      const all = libvirtProcesses();
      return { daemons: all.daemons.filter(ours), guests: all.guests.filter(({ pid }) => ours(pid)) };
    };
    await until(() => found().daemons.length === 2 && found().guests.length === 2);
    assert.deepEqual([...found().daemons].sort(), [...daemons].sort());
    assert.deepEqual(
      found()
        .guests.map(({ name: program, guest, uuid: id }) => [program, guest, id])
        .sort(),
      [
        ['qemu-kvm', 'other', undefined],
        ['qemu-system-x86', 'win11', uuid],
      ],
    );
  });
});

describe('blockedWrites', () => {
  it('knows a writer by its environment, with a path and a value', async () => {
    const env = {
      ...process.env,
      [WRITER_VARIABLE]: '/sys/bus/pci/devices/0000:03:00.0/driver_override a b',
    };
    const pid = await running('sleep', ['60'], { env });
    await until(() => blockedWrites().some((blocked) => blocked.writer.pid === pid));
    assert.deepEqual(
      blockedWrites().filter((blocked) => blocked.writer.pid === pid),
      [
        {
          path: '/sys/bus/pci/devices/0000:03:00.0/driver_override',
          value: 'a b',
          writer: { pid, startTime: startTimeOf(pid) },
        },
      ],
    );
  });

  it('reads a writer of an empty value', async () => {
    const env = { ...process.env, [WRITER_VARIABLE]: '/sys/x ' };
    const pid = await running('sleep', ['60'], { env });
    await until(() => blockedWrites().some((blocked) => blocked.writer.pid === pid));
    const [found] = blockedWrites().filter((blocked) => blocked.writer.pid === pid);
    assert.deepEqual([found?.path, found?.value], ['/sys/x', '']);
  });
});
