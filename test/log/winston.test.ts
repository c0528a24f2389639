import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sink } from '../../src/log/file.ts';
import { severities, type LogEntry } from '../../src/log/log.ts';
import { verboseLog, winstonLog } from '../../src/log/winston.ts';

const program = fileURLToPath(new URL('processes/log-and-die.ts', import.meta.url));

function remembering(): { readonly got: LogEntry[]; readonly sink: Sink; closed: () => number } {
  const got: LogEntry[] = [];
  let closed = 0;
  return {
    got,
    sink: { write: (entry) => got.push(entry), close: () => (closed += 1) },
    closed: () => closed,
  };
}

describe('winstonLog', () => {
  it('hands over every entry as it is, in order, at once', () => {
    const { got, sink } = remembering();
    const log = winstonLog('debug', sink);
    const entries = severities.flatMap((severity): LogEntry[] => [
      { severity, message: 'plain' },
      {
        severity,
        message: '%s %d { "level": "x" }',
        guest: 'a\nb',
        device: 'd',
        step: 's',
        result: 'r',
        durationMs: 1.5,
      },
    ]);
    for (const [at, entry] of entries.entries()) {
      log.write(entry);
      assert.equal(got.length, at + 1, 'written before the call returns');
    }
    assert.deepEqual(got, entries);
  });

  for (const [at, level] of severities.entries()) {
    it(`lets through what level ${level} does`, () => {
      const { got, sink } = remembering();
      const log = winstonLog(level, sink);
      for (const severity of severities) log.write({ severity, message: 'x' });
      assert.deepEqual(
        got.map(({ severity }) => severity),
        severities.slice(0, at + 1),
      );
    });
  }

  it('loses no line of a thousand', () => {
    const { got, sink } = remembering();
    const log = winstonLog('debug', sink);
    for (let at = 0; at < 1000; at += 1) log.write({ severity: 'debug', message: String(at) });
    assert.deepEqual(
      got.map(({ message }) => Number(message)),
      Array.from({ length: 1000 }, (_, at) => at),
    );
  });

  it('closes its sink', () => {
    const { sink, closed } = remembering();
    winstonLog('info', sink).close();
    assert.equal(closed(), 1);
  });

  it('has its last line in the file when the process is killed right after it', () => {
    const directory = mkdtempSync(join(tmpdir(), 'vfio-hook-'));
    const file = join(directory, 'log');
    assert.throws(
      () => execFileSync(process.execPath, ['--import=tsx', program, file], { stdio: 'ignore' }),
      { signal: 'SIGKILL' },
    );
    assert.match(readFileSync(file, 'utf8'), /^\S+ info {4}first\n\S+ err {5}last result=dying\n$/);
    rmSync(directory, { recursive: true });
  });
});

describe('verboseLog', () => {
  it('says every line, escaped, and writes it to the usual place as well', () => {
    const said: string[] = [];
    const written: LogEntry[] = [];
    let closed = false;
    const sink = { write: (entry: LogEntry) => written.push(entry), close: () => (closed = true) };
    const log = verboseLog(sink, (line) => said.push(line));
    const entry: LogEntry = { severity: 'debug', message: 'step', guest: 'a\u001b[2J', result: 'done' };
    log.write(entry);
    log.close();
    assert.deepEqual(said, ['vfio-hook: step guest="a\\u{1b}[2J" result=done']);
    assert.deepEqual([written, closed], [[entry], true]);
  });
});
