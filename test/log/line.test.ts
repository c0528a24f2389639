import assert from 'node:assert/strict';
import fc from 'fast-check';
import { logLine } from '../../src/log/line.ts';
import { isLoud, severities, type LogEntry } from '../../src/log/log.ts';

const entry = (rest: Partial<LogEntry>): LogEntry => ({ severity: 'info', message: 'step', ...rest });

describe('logLine', () => {
  const rows: readonly (readonly [entry: Partial<LogEntry>, line: string])[] = [
    [{}, 'step'],
    [{ severity: 'err' }, 'step'],
    [
      {
        guest: 'win11',
        device: '0000:03:00.0',
        step: 'bind 0000:03:00.0 to vfio-pci',
        result: 'done',
        durationMs: 12.6,
      },
      'step guest=win11 device=0000:03:00.0 step="bind 0000:03:00.0 to vfio-pci" result=done ms=13',
    ],
    [{ durationMs: 0 }, 'step ms=0'],
    [{ result: 'failed: EBUSY (busy)' }, 'step result="failed: EBUSY (busy)"'],
    [{ guest: '' }, 'step guest=""'],
    [{ guest: 'a "b" \\' }, 'step guest="a \\"b\\" \\\\"'],
    [{ guest: 'a result=done' }, 'step guest="a result=done"'],
    [{ guest: 'x\nvfio-hook: devices given back' }, 'step guest="x\\u{a}vfio-hook: devices given back"'],
    [{ message: 'a\nb\u001b[2J' }, 'a\\u{a}b\\u{1b}[2J'],
    [{ guest: 'größe' }, 'step guest="größe"'],
  ];
  for (const [given, line] of rows) {
    it(`writes ${line}`, () => {
      assert.equal(logLine(entry(given)), line);
    });
  }

  it('cuts what is too long, and says so', () => {
    const line = logLine(entry({ guest: 'x'.repeat(5000) }));
    assert.equal(Buffer.byteLength(line), 1000);
    assert.ok(line.endsWith('x…'));
    assert.equal(logLine(entry({ message: 'ä'.repeat(500) })), 'ä'.repeat(500));
    assert.equal(logLine(entry({ message: 'ä'.repeat(501) })), `${'ä'.repeat(498)}…`);
    assert.equal(logLine(entry({ message: 'x'.repeat(1000) })).length, 1000);
    assert.ok(!logLine(entry({ message: 'x'.repeat(1000) })).endsWith('…'));
  });

  it('is one line without a control character, whatever the fields contain', () => {
    const text = fc.string({ unit: 'binary', maxLength: 1200 });
    fc.assert(
      fc.property(text, text, text, text, (message, guest, step, result) => {
        const line = logLine(entry({ message, guest, step, result }));
        assert.doesNotMatch(line, /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u);
        assert.ok(Buffer.byteLength(line) <= 1000);
      }),
      { numRuns: 1000 },
    );
  });

  it('lets no field pass for another one', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (guest) => {
        const line = logLine(entry({ guest, result: 'done' }));
        const fields = [...line.matchAll(/ (\w+)=(?:"(?:[^"\\]|\\.)*"|\S+)/gu)].map(([, key]) => key);
        assert.deepEqual(fields, ['guest', 'result'], line);
      }),
      { numRuns: 500 },
    );
  });
});

describe('isLoud', () => {
  it('lets through what is as severe as the level or more', () => {
    for (const [at, level] of severities.entries()) {
      assert.deepEqual(
        severities.filter((severity) => isLoud(severity, level)),
        severities.slice(0, at + 1),
      );
    }
  });
});
