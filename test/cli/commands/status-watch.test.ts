import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { StatusReport } from '../../../src/cli/status-report.ts';
import { installation, startHook, TERMINAL_ENVIRONMENT } from '../../hook/compiled.ts';
import { exampleGuest, succeeds, type Stage } from '../../hook/stage.ts';
import { until } from '../../until.ts';
import { machine } from '../run.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');

/** `vfio-hook status --watch`, and what it has shown so far. */
function watching(on: Stage, ...args: string[]) {
  const running = startHook(['status', '--watch', ...args, ...on.option], {
    program: installation().command,
  });
  const seen = { text: '' };
  running.process.stdout?.on('data', (text: string) => (seen.text += text));
  return { running, shows: (pattern: RegExp) => until(() => pattern.test(seen.text)), seen };
}

describe('vfio-hook status --watch', () => {
  it('shows each change, also of a host without a directory of claims, and one that goes and comes back', async () => {
    const on = machine();
    const { running, shows, seen } = watching(on);
    await shows(/^no guest holds a device\n/);
    succeeds(on, win11, 'prepare');
    await shows(/\n\nguest win11-rx7900 .*: held/);
    succeeds(on, win11, 'release');
    await shows(/held[^]*\n\nno guest holds a device\n/);
    rmSync(join(on.directory, 'run'), { recursive: true });
    seen.text = '';
    succeeds(on, win11, 'prepare');
    await shows(/guest win11-rx7900 .*: held/);
    running.process.kill('SIGINT');
    const { status, stderr } = await running.ended;
    assert.deepEqual([status, stderr], [0, '']);
  });

  it('as JSON is an object a line, without what changes all the time, and ends when nobody reads', async () => {
    const on = machine();
    const { running, seen, shows } = watching(on, '--json');
    await shows(/\n/);
    succeeds(on, win11, 'prepare');
    await shows(/"state":"held".*\n/);
    const reports = seen.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as StatusReport);
    assert.deepEqual(reports[0]?.claims, []);
    assert.ok(reports.flatMap(({ claims }) => claims).every((claim) => !('ageMs' in claim)));
    running.process.stdout?.destroy();
    succeeds(on, win11, 'release');
    assert.equal(await new Promise((resolve) => running.process.on('exit', resolve)), 0);
  });

  it('clears a terminal for each', async function () {
    if (spawnSync('script', ['--version']).error) this.skip();
    const on = machine();
    const command = ['exec', installation().command, 'status', '--watch', ...on.option];
    // A pseudo-terminal, by script(1) of util-linux.
    const program = spawn('script', ['-qfec', command.join(' '), '/dev/null'], {
      env: { ...TERMINAL_ENVIRONMENT, TERM: 'xterm' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let seen = '';
    program.stdout.setEncoding('utf8').on('data', (text: string) => (seen += text));
    await until(() => seen.includes('no guest holds a device'));
    succeeds(on, win11, 'prepare');
    await until(() => seen.includes('win11-rx7900'));
    program.stdin.write('\x03');
    assert.equal(await new Promise((resolve) => program.on('exit', resolve)), 0);
    const [before, ...drawn] = seen.split('\x1b[H\x1b[2J');
    assert.equal(before, '');
    assert.match(drawn[0] ?? '', /^no guest holds a device\r\n$/);
    assert.match(drawn.at(-1) ?? '', /^guest win11-rx7900 .*: held/);
  });
});
