import assert from 'node:assert/strict';
import { withProgress } from '../../src/cli/progress.ts';
import type { LogEntry } from '../../src/log/log.ts';

describe('withProgress', () => {
  it('says each step as it is done, everything else goes to the log alone', () => {
    const logged: (LogEntry | 'closed')[] = [];
    const said: string[] = [];
    const log = withProgress(
      { write: (entry) => logged.push(entry), close: () => logged.push('closed') },
      (line) => said.push(line),
    );
    const step: LogEntry = {
      severity: 'info',
      message: 'step',
      guest: 'a\u001b',
      step: 'unbind x',
      result: 'done',
    };
    const other: LogEntry = { severity: 'notice', message: 'devices given back', guest: 'a' };
    log.write(step);
    log.write(other);
    log.close();
    assert.deepEqual(logged, [step, other, 'closed']);
    assert.deepEqual(said, ['vfio-hook: guest a\\u{1b}: unbind x: done']);
  });
});
