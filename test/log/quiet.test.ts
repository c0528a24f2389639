import assert from 'node:assert/strict';
import type { Sink } from '../../src/log/file.ts';
import { severities, type Log, type LogEntry } from '../../src/log/log.ts';
import { hookLog } from '../../src/log/quiet.ts';

/** A sink or log that remembers what it was given. */
function memory(): { readonly got: string[]; readonly sink: Sink & Log } {
  const got: string[] = [];
  return {
    got,
    sink: {
      write: ({ severity, message }) => got.push(`${severity} ${message}`),
      close: () => got.push('closed'),
    },
  };
}

const all: readonly LogEntry[] = severities.map((severity) => ({ severity, message: 'x' }));

describe('hookLog', () => {
  it('writes everything but debug until it is told a level', () => {
    const { got, sink } = memory();
    const log = hookLog(sink);
    for (const each of all) log.write(each);
    log.close();
    assert.deepEqual(got, ['err x', 'warning x', 'notice x', 'info x', 'closed']);
  });

  for (const [level, count] of [
    ['err', 1],
    ['warning', 2],
    ['notice', 3],
    ['info', 4],
  ] as const) {
    it(`writes what level ${level} lets through, and loads no other log`, () => {
      const { got, sink } = memory();
      const log = hookLog(sink);
      log.setLevel(level, () => assert.fail('the other log was loaded'));
      for (const each of all) log.write(each);
      assert.deepEqual(
        got,
        all.slice(0, count).map(({ severity }) => `${severity} x`),
      );
    });
  }

  it('goes through the other log from the moment when the level is debug', () => {
    const own = memory();
    const other = memory();
    const log = hookLog(own.sink);
    log.write(all[0]!);
    log.setLevel('debug', () => other.sink);
    for (const each of all) log.write(each);
    log.close();
    assert.deepEqual(own.got, ['err x', 'closed']);
    assert.deepEqual(other.got, [...severities.map((severity) => `${severity} x`), 'closed']);
  });

  it('loads the other log once', () => {
    let loads = 0;
    const log = hookLog(memory().sink);
    const load = (): Log => {
      loads += 1;
      return memory().sink;
    };
    log.setLevel('debug', load);
    log.setLevel('debug', load);
    assert.equal(loads, 1);
  });
});
