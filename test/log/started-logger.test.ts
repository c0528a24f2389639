import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('processes/log-to-started-logger.ts', import.meta.url));

describe('startedLoggerSink', () => {
  let directory = '';
  let reader = -1;
  let writer = -1;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'vfio-hook-'));
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    writer = openSync(pipe, constants.O_WRONLY);
  });
  afterEach(() => {
    closeSync(writer);
    rmSync(directory, { recursive: true });
  });

  const run = (lines: number): string => {
    const nothing = Array<'ignore'>(6).fill('ignore');
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import=tsx', program, String(lines)], {
      stdio: ['ignore', 'pipe', 'pipe', ...nothing, writer],
      encoding: 'utf8',
    });
    assert.deepEqual([status, stderr], [0, '']);
    return stdout;
  };

  it('hands its lines on, with their priority, until it is closed', () => {
    assert.equal(run(2), 'there');
    const buffer = Buffer.alloc(4096);
    const text = buffer.toString('utf8', 0, readSync(reader, buffer));
    closeSync(reader);
    assert.match(text, /^<30>[^\n]*line 0[^\n]*\n<30>[^\n]*line 1[^\n]*\n$/);
  });

  it('drops lines that nobody reads, and does not wait', () => {
    assert.equal(run(5000), 'there');
    closeSync(reader);
  });

  it('is none when the logger has ended already: a log keeps no guest from starting', () => {
    closeSync(reader);
    assert.equal(run(2), 'none');
  });
});
