import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  blockedWrites,
  holdersOf,
  isAlive,
  libvirtProcesses,
  startTimeOf,
  unitOf,
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
  const orphans: number[] = [];
  afterEach(() => {
    for (const pid of orphans.splice(0)) process.kill(pid, 'SIGKILL');
  });

  /** A process that is no child of this one. */
  async function orphan(...command: readonly string[]): Promise<number> {
    const shell = spawn('sh', ['-c', '"$@" > /dev/null 2>&1 & echo $!', 'sh', ...command], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    shell.stdout.on('data', (data: Buffer) => (said += data.toString()));
    await new Promise((resolve) => shell.once('close', resolve));
    orphans.push(Number(said));
    return Number(said);
  }

  /** An orphan that has these files open; what follows them are arguments that do nothing. */
  async function holder(nodes: readonly string[], ...args: readonly string[]): Promise<number> {
    // tail -f keeps the files open; what follows `--` it takes for files that are not there.
    const pid = await orphan('tail', '-q', '-f', ...nodes, '--', ...args);
    await until(() => holdersOf(nodes).filter((each) => each.pid === pid).length === nodes.length);
    return pid;
  }

  const node = (name = 'node'): string => {
    writeFileSync(join(directory, name), '');
    return join(directory, name);
  };
  /** What this process itself runs in: the orphans are in the same unit. */
  const unit = unitOf(readFileSync('/proc/self/cgroup', 'utf8'));

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
      const path = node();
      const pid = await holder([path], ...args);
      assert.deepEqual(holdersOf([path]), [
        { pid, name: 'tail', ...(guest !== undefined && { guest }), ...(unit && { unit }), path },
      ]);
    });
  }

  it('finds the holders of many files in one call, an entry for each process and file', async () => {
    const [one, two, three] = [node('one'), node('two'), node('three')];
    const first = await holder([one, two]);
    const second = await holder([two, three]);
    assert.deepEqual(
      holdersOf([three, two, one, node('four')])
        .map(({ pid, path }) => `${pid} ${path}`)
        .sort(),
      [`${first} ${one}`, `${first} ${two}`, `${second} ${three}`, `${second} ${two}`].sort(),
    );
  });

  it('knows a node that was removed and made again since it was opened', async () => {
    const path = node();
    const pid = await holder([path]);
    rmSync(path);
    assert.deepEqual(
      holdersOf([path]).map((each) => each.pid),
      [pid],
    );
  });

  it('finds who has a socket, by the number of its inode', async () => {
    const file = join(directory, 'socket');
    const script = `
      const { readdirSync, readlinkSync, writeFileSync } = require('node:fs');
      const server = require('node:net').createServer().listen(0, '127.0.0.1', () => {
        writeFileSync(process.argv[1], readlinkSync('/proc/self/fd/' + server._handle.fd));
      });`;
    const pid = await orphan(process.execPath, '-e', script, file);
    await until(() => existsSync(file) && readFileSync(file, 'utf8') !== '');
    const socket = readFileSync(file, 'utf8');
    assert.match(socket, /^socket:\[\d+\]$/);
    assert.deepEqual(
      holdersOf([socket]).map((each) => [each.pid, each.path]),
      [[pid, socket]],
    );
  });

  it('leaves out this process and those that it started', async () => {
    const path = node();
    const fd = openSync(path, 'r');
    const pid = await running('sh', ['-c', 'exec 3< "$0"; tail -f /dev/null', path]);
    await until(() => readdirSync(`/proc/${pid}/fd`).includes('3'));
    assert.deepEqual(holdersOf([path]), []);
    closeSync(fd);
  });

  it('looks at nobody when nothing is asked for', () => {
    assert.deepEqual(holdersOf([]), []);
  });
});

describe('unitOf', () => {
  const rows: readonly (readonly [name: string, cgroup: string, unit: ReturnType<typeof unitOf>])[] = [
    ['a service of the system', '0::/system.slice/lightdm.service\n', { name: 'lightdm.service' }],
    [
      'a service of a user',
      '0::/user.slice/user-1000.slice/user@1000.service/session.slice/pipewire.service\n',
      { name: 'pipewire.service', user: 1000 },
    ],
    [
      'a program of a desktop',
      '0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-firefox-2204.scope\n',
      { name: 'app-gnome-firefox-2204.scope', user: 1000 },
    ],
    [
      "a user's service manager itself",
      '0::/user.slice/user-1000.slice/user@1000.service/init.scope\n',
      { name: 'init.scope', user: 1000 },
    ],
    ['a session', '0::/user.slice/user-1000.slice/session-2.scope\n', { name: 'session-2.scope' }],
    [
      'a group below a unit, as libvirt makes them',
      '0::/machine.slice/machine-qemu\\x2d1\\x2dwin10.scope/libvirt/emulator\n',
      { name: 'machine-qemu\\x2d1\\x2dwin10.scope' },
    ],
    [
      'version 1, where systemd has a hierarchy of its own',
      '12:devices:/system.slice/other.service\n1:name=systemd:/system.slice/ssh.service\n0::/x.service\n',
      { name: 'ssh.service' },
    ],
    ['a kernel thread', '0::/\n', undefined],
    ['a machine without systemd', '', undefined],
    ['a name that would drive a terminal', '0::/system.slice/\u001b[2J.service\n', undefined],
    ['a name that would be two words', '0::/system.slice/a b.service\n', undefined],
  ];
  for (const [name, cgroup, unit] of rows) {
    it(`knows ${name}`, () => {
      assert.deepEqual(unitOf(cgroup), unit);
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
