import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasJournal, journalRecord } from '../../src/log/journal.ts';
import { options } from '../../src/programs.ts';
import { until } from '../until.ts';

const program = fileURLToPath(new URL('processes/log-to-journal.ts', import.meta.url));
const LOGGER = '/usr/bin/logger';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vfio-hook-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** Whether this process may have mounts of its own, to put a logger in the place of the real one. */
function canMount(): boolean {
  if (!existsSync(LOGGER)) return false;
  try {
    execFileSync('unshare', ['-m', 'mount', '--bind', LOGGER, LOGGER], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Runs the program that logs with a logger that writes down what it gets; resolves when its output is closed. */
async function run(how: string, logger: string): Promise<{ closedAfter: number }> {
  writeFileSync(join(directory, 'logger'), logger);
  chmodSync(join(directory, 'logger'), 0o755);
  const script = `mount --bind "${join(directory, 'logger')}" ${LOGGER} && exec "$0" --import=tsx "$1" "$2"`;
  const child = spawn('unshare', ['-m', 'sh', '-c', script, process.execPath, program, how], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const began = performance.now();
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (said += data.toString()));
  const [status, signal] = await new Promise<[unknown, unknown]>((resolve) =>
    child.once('close', (...end) => {
      resolve(end);
    }),
  );
  assert.deepEqual([status, signal, said], how === 'killed' ? [null, 'SIGKILL', ''] : [0, null, '']);
  return { closedAfter: performance.now() - began };
}

describe('journalSink', () => {
  for (const how of ['close', 'no close', 'killed']) {
    it(`hands every line to logger, with its priority: ${how}`, async function () {
      if (!canMount()) this.skip();
      const got = join(directory, 'got');
      await run(
        how,
        `#!/bin/sh\nprintf '%s\\n' "$*" > ${got}.args\nenv | sort > ${got}.env\ncat > ${got}.part && mv ${got}.part ${got}\n`,
      );
      await until(() => existsSync(got));
      assert.equal(readFileSync(got, 'utf8'), '<29>first guest="a\\u{a}b"\n<27>last\n');
      assert.match(
        readFileSync(`${got}.args`, 'utf8'),
        /^--tag vfio-hook --prio-prefix --size 2KiB --id=\d+\n$/,
      );
      assert.match(readFileSync(`${got}.env`, 'utf8'), /^PATH=\/usr\/sbin:\/usr\/bin:\/sbin:\/bin$/m);
    });
  }

  it('does not wait for a logger that does not read, nor lets it keep the output open', async function () {
    if (!canMount()) this.skip();
    const { closedAfter } = await run('no close', '#!/bin/sh\nexec sleep 5\n');
    assert.ok(closedAfter < 4000, `${closedAfter} ms`);
  });

  it('loses its lines when logger fails, and nothing else happens', async function () {
    if (!canMount()) this.skip();
    await run('close', '#!/bin/sh\necho it fails >&2\nexit 1\n');
    await run('close', 'no program at all');
  });
});

describe('a record of the journal', () => {
  /** What the logger of this machine would send, a line for each record. */
  async function sent(input: string): Promise<string[]> {
    // It connects to the socket though it sends nothing.
    const socket = join(directory, 'log');
    const server = createServer().listen(socket);
    await once(server, 'listening');
    const args = [...options.logger, '--id=1', '--no-act', '--stderr', '--socket', socket, '--tcp'];
    const { stderr } = spawnSync('logger', args, { input, encoding: 'utf8' });
    server.close();
    return stderr.split('\n').filter((line) => line !== '');
  }

  const forged = '<2>kernel: the disk is on fire';
  const hostile: readonly (readonly [name: string, guest: string])[] = [
    ['plain text up to the cut', 'x'.repeat(1024 - 12) + forged],
    ['characters of two bytes', 'ä'.repeat(480) + forged.repeat(20)],
    ['characters of three bytes', '€'.repeat(330) + forged.repeat(20)],
    ['characters of four bytes', '𝄞'.repeat(240) + forged.repeat(20)],
    ['a priority at every place where it may be cut', forged.repeat(100)],
    ['newlines and NULs', `a\n${forged}\0\n${forged}`],
    ['a priority at its beginning', forged],
  ];
  for (const [name, guest] of hostile) {
    it(`is one record: ${name}`, async () => {
      const records = [
        journalRecord({ severity: 'info', message: guest }),
        journalRecord({ severity: 'info', message: 'step', guest }),
      ];
      for (const record of records) {
        assert.ok(Buffer.byteLength(record) < 1024, `${Buffer.byteLength(record)} bytes`);
        assert.equal(Buffer.from(record).toString(), record, 'whole characters');
        assert.match(record, /^<30>[^\n]*\n$/);
      }
      if (
        spawnSync('logger', ['--version'], { encoding: 'utf8' }).stdout.startsWith('logger from util-linux')
      ) {
        const lines = await sent(records.join(''));
        assert.equal(lines.length, 2, lines.join('\n'));
        for (const line of lines) assert.ok(line.startsWith('<30>'), line);
      } else {
        console.warn('        skipped in part: there is no logger of util-linux');
      }
    });
  }
});

describe('hasJournal', () => {
  it('looks for syslog’s socket', () => {
    assert.equal(hasJournal(), existsSync('/dev/log'));
  });
});
