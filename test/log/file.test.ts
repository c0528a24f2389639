import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileSink, severityNumber, type Sink } from '../../src/log/file.ts';
import { severities, type LogEntry } from '../../src/log/log.ts';

let directory = '';
const path = (name: string): string => join(directory, name);
const clock = (): Date => new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6));
const entry = (message: string, severity: LogEntry['severity'] = 'info'): LogEntry => ({ severity, message });

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vfio-hook-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function writes(sink: Sink, ...entries: readonly LogEntry[]): void {
  for (const each of entries) sink.write(each);
  sink.close();
}

describe('fileSink', () => {
  it('writes time, severity and the line', () => {
    writes(fileSink(path('log'), clock), entry('first'), entry('second', 'err'), {
      ...entry('third', 'warning'),
      guest: 'a\nb',
    });
    assert.equal(
      readFileSync(path('log'), 'utf8'),
      [
        '2026-01-02T03:04:05.006Z info    first',
        '2026-01-02T03:04:05.006Z err     second',
        '2026-01-02T03:04:05.006Z warning third guest="a\\u{a}b"',
        '',
      ].join('\n'),
    );
  });

  it('appends, and several of them share a file without mixing lines', () => {
    const [first, second] = [fileSink(path('log'), clock), fileSink(path('log'), clock)];
    for (let at = 0; at < 20; at += 1) (at % 2 === 0 ? first : second).write(entry(`line ${at}`));
    first.close();
    second.close();
    assert.deepEqual(
      readFileSync(path('log'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => line.slice(33)),
      Array.from({ length: 20 }, (_, at) => `line ${at}`),
    );
  });

  it('opens nothing before its first line, and makes a file that others cannot read', () => {
    const sink = fileSink(path('log'), clock);
    assert.deepEqual(readdirSync(directory), []);
    writes(sink, entry('x'));
    assert.equal(statSync(path('log')).mode & 0o137, 0);
  });

  it('may be closed without a line, twice, and opens the file again after that', () => {
    const sink = fileSink(path('log'), clock);
    sink.close();
    writes(sink, entry('x'));
    sink.close();
    writes(sink, entry('y'));
    assert.equal(readFileSync(path('log'), 'utf8').split('\n').length, 3);
  });

  const useless: readonly (readonly [name: string, make: () => string])[] = [
    ['in a directory that is not there', () => path('none/log')],
    ['on a full disk', () => '/dev/full'],
    ['that is a directory', () => directory],
    [
      'that is a pipe nobody reads',
      () => {
        execFileSync('mkfifo', [path('pipe')]);
        return path('pipe');
      },
    ],
  ];
  for (const [name, make] of useless) {
    it(`loses the lines of a file ${name}, and nothing else happens`, () => {
      writes(fileSink(make(), clock), entry('first'), entry('second'));
      assert.ok(!readdirSync(directory).includes('none'));
    });
  }

  it('does not write through a link', () => {
    writeFileSync(path('victim'), 'untouched');
    symlinkSync('victim', path('log'));
    mkdirSync(path('d'));
    writes(fileSink(path('log'), clock), entry('x'));
    assert.equal(readFileSync(path('victim'), 'utf8'), 'untouched');
  });
});

describe('severityNumber', () => {
  it('is syslog’s', () => {
    assert.deepEqual(severities.map(severityNumber), [3, 4, 5, 6, 7]);
  });
});
