import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { advice, command } from '../src/hint.ts';
import { VfioHookError } from '../src/errors.ts';
import { errorLines } from '../src/report.ts';

const program = fileURLToPath(new URL('processes/say.ts', import.meta.url));

describe('errorLines', () => {
  it('says what happened first, then what to do', () => {
    const error = new VfioHookError('VH_BUSY', 'cannot give it', {
      hints: [advice('end the guest'), command('vfio-hook recover')],
    });
    assert.deepEqual(errorLines(error), [
      'vfio-hook: error: cannot give it',
      'vfio-hook: hint: end the guest',
      'vfio-hook: hint: vfio-hook recover',
    ]);
  });

  it('asks for a report when the fault is its own, whatever was thrown', () => {
    for (const [thrown, said] of [
      [new TypeError('x is not a function'), 'x is not a function'],
      ['a text', 'a text'],
      [undefined, 'undefined'],
    ] as const) {
      const lines = errorLines(thrown);
      assert.equal(lines[0], `vfio-hook: error: ${said}`);
      assert.match(lines[1]!, /^vfio-hook: hint: this is a fault of vfio-hook; please report it/);
      assert.equal(lines.length, 2);
    }
  });

  it('shows no stack trace', () => {
    assert.ok(errorLines(new Error('broken')).every((line) => !line.includes('report.test.ts')));
  });
});

describe('sayOnStderr', () => {
  /** Runs the program that says lines, with a reader of its stderr that does this. */
  async function say(
    lines: number,
    reader: 'reads' | 'is gone',
    text = '',
  ): Promise<{ status: unknown; took: number; heard: string }> {
    const child = spawn(process.execPath, ['--import=tsx', program, String(lines), text], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let heard = '';
    let told = '';
    child.stdout.on('data', (data: Buffer) => (told += data.toString()));
    if (reader === 'reads') child.stderr.on('data', (data: Buffer) => (heard += data.toString()));
    if (reader === 'is gone') child.stderr.destroy();
    const status = await new Promise((resolve) => child.once('exit', resolve));
    child.stderr.destroy();
    return { status, took: Number(told), heard };
  }

  it('makes one line of a text, whatever it contains', async () => {
    const { heard } = await say(1, 'reads', 'a\r\nvfio-hook: all is well\u001b[31m\u009b2J\u202e\u2028');
    assert.equal(heard, '0 a\\u{d}\\u{a}vfio-hook: all is well\\u{1b}[31m\\u{9b}2J\\u{202e}\\u{2028}\n');
  });

  it('writes whole lines', async () => {
    const { status, heard } = await say(50, 'reads');
    assert.equal(status, 0);
    assert.deepEqual(
      heard
        .trimEnd()
        .split('\n')
        .map((line) => [parseInt(line, 10), line.length]),
      Array.from({ length: 50 }, (_, line) => [line, 999]),
    );
  });

  it('does not end the process, nor take long, when the reader is gone', async () => {
    const { status, took } = await say(300, 'is gone');
    assert.equal(status, 0);
    assert.ok(took < 5000, `${took} ms`);
  });

  it('loses lines rather than wait for a reader that sleeps', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'vfio-hook-'));
    // A pipe as libvirt makes one: 64 KiB, opened without O_NONBLOCK, and nobody reads.
    execFileSync('mkfifo', [join(directory, 'stderr')]);
    const pipe = openSync(join(directory, 'stderr'), 'r+');
    const child = spawn(process.execPath, ['--import=tsx', program, '70'], {
      stdio: ['ignore', 'pipe', pipe],
    });
    let told = '';
    child.stdout?.on('data', (data: Buffer) => (told += data.toString()));
    assert.equal(await new Promise((resolve) => child.once('close', resolve)), 0);
    assert.ok(Number(told) > 100 && Number(told) < 8000, told);
    const buffer = Buffer.alloc(200_000);
    const lines = buffer.toString('utf8', 0, readSync(pipe, buffer)).trimEnd().split('\n');
    assert.ok(lines.length >= 60 && lines.length < 70, `${lines.length} lines`);
    assert.ok(lines.every((line, at) => line.startsWith(`${at} x`) && line.length === 999));
    closeSync(pipe);
    rmSync(directory, { recursive: true });
  });
});
