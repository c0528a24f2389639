import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestName, holdersOf } from '../../../src/host/linux/holders.ts';
import { unitOf } from '../../../src/host/linux/unit.ts';
import { runningPrograms, until } from './running.ts';

describe('holdersOf', () => {
  const { directory, start } = runningPrograms();
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
    writeFileSync(join(directory(), name), '');
    return join(directory(), name);
  };
  /** What this process itself runs in: the orphans are in the same unit. */
  const unit = unitOf(readFileSync('/proc/self/cgroup', 'utf8'));

  it('says of nobody that it is a guest’s QEMU because it says so itself', async () => {
    const path = node();
    const pid = await holder([path], '-name', 'guest=win11,debug-threads=on');
    assert.deepEqual(holdersOf([path]), [{ pid, name: 'tail', ...(unit && { unit }), path }]);
  });

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
    const file = join(directory(), 'socket');
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
    const pid = await start('sh', ['-c', 'exec 3< "$0"; cat', path]);
    await until(() => readdirSync(`/proc/${pid}/fd`).includes('3'));
    assert.deepEqual(holdersOf([path]), []);
    closeSync(fd);
  });

  it('looks at nobody when nothing is asked for', () => {
    assert.deepEqual(holdersOf([]), []);
  });
});

describe('guestName', () => {
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
    it(`is ${guest === undefined ? 'none' : JSON.stringify(guest)} in ${JSON.stringify(args)}`, () => {
      assert.equal(guestName(args), guest);
    });
  }
});
