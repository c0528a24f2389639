import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, renameSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileLines, journalLine, journalLines } from '../../../src/cli/log-sources.ts';
import { expectGolden } from '../../golden.ts';
import { installation, startHook, temporaryDirectory } from '../../hook/compiled.ts';
import { call, exampleGuest, guestWith, succeeds, type Stage } from '../../hook/stage.ts';
import { until } from '../../until.ts';
import { isPlain, machine, run, shown } from '../run.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');
const rival = guestWith(['0000:03:00.1'], {
  name: 'a "b"\u001b',
  uuid: 'b7a1e0d2-0d57-4b6b-9a43-4e1a2b9f0c11',
});

/** A guest that was started, and one that was refused. */
function twoGuests(): Stage {
  const on = machine();
  succeeds(on, win11, 'prepare');
  assert.equal(call(on, rival, 'prepare').status, 1);
  return on;
}

interface Line {
  readonly time: string;
  readonly severity: string;
  readonly message: string;
  readonly guest?: string;
  readonly ms?: number;
}
const parsed = (stdout: string): Line[] => JSON.parse(stdout) as Line[];

describe('vfio-hook log', () => {
  it('shows what the hook did, oldest first, and where it looked', () => {
    const on = twoGuests();
    const ended = run(['log', ...on.option]);
    isPlain(ended);
    expectGolden('cli/golden/log.txt', shown(ended, on).replace(/ms=\d+/g, 'ms=N'));
  });

  it('as JSON, with each field', () => {
    const on = twoGuests();
    const { stdout, status } = run(['log', '--json', ...on.option]);
    assert.equal(status, 0);
    const steady = stdout.replace(/"(time|ms)": [^,\n]+/g, '"$1": "…"').replace(/\(pid \d+/g, '(pid PID');
    expectGolden('cli/golden/log.json', steady);
  });

  it('only the lines about one guest, whatever its name', () => {
    const on = twoGuests();
    for (const { name } of [win11, rival]) {
      const lines = parsed(run(['log', name, '--json', ...on.option]).stdout);
      assert.ok(lines.length > 0);
      assert.deepEqual([...new Set(lines.map(({ guest }) => guest))], [name]);
    }
    const nobody = run(['log', 'win', ...on.option]);
    assert.deepEqual([nobody.status, nobody.stdout], [0, '']);
    assert.match(nobody.stderr, /^vfio-hook: no lines about guest "win" in \S+vfio-hook\.log\n$/);
  });

  it('the latest N', () => {
    const on = twoGuests();
    const all = parsed(run(['log', '--json', ...on.option]).stdout);
    assert.deepEqual(parsed(run(['log', '--json', '-n', '2', ...on.option]).stdout), all.slice(-2));
    for (const wrong of ['0', '10001', 'x', '1.5']) {
      const ended = run(['log', '--lines', wrong, ...on.option]);
      assert.deepEqual([ended.status, ended.stdout], [2, '']);
      assert.match(ended.stderr, /^vfio-hook: error: --lines is a number from 1 to 10000, not ".+"\n/);
    }
  });

  it('nothing was logged yet', () => {
    const on = machine();
    expectGolden('cli/golden/log-none.txt', shown(run(['log', ...on.option]), on));
    assert.equal(run(['log', '--json', ...on.option]).stdout, '[]\n');
  });

  it('follows the file, through rotation and a cut, until ^C', async () => {
    const on = machine();
    const path = join(on.directory, 'vfio-hook.log');
    const line = (text: string): string => `2026-11-20T10:00:00.000Z info    ${text}\n`;
    writeFileSync(path, line('first guest=a'));
    const running = startHook(['log', '-f', 'a', ...on.option], { program: installation().command });
    let seen = '';
    running.process.stdout?.on('data', (text: string) => (seen += text));
    const shows = (text: string): Promise<void> => until(() => seen.includes(text));
    await shows('first');
    appendFileSync(path, line('second guest=a') + line('other guest=b') + line('third').slice(0, 30));
    await shows('second');
    appendFileSync(path, line('third guest=a').slice(30));
    await shows('third');
    // What is written to the old file after it was renamed is not lost.
    renameSync(path, `${path}.1`);
    appendFileSync(`${path}.1`, line('late guest=a'));
    writeFileSync(path, line('fresh guest=a'));
    await shows('fresh');
    await shows('late');
    truncateSync(path);
    appendFileSync(path, line('cut guest=a'));
    await shows('cut');
    running.process.kill('SIGINT');
    const ended = await running.ended;
    assert.equal(ended.status, 0);
    assert.equal(ended.stdout.split('\n').length, 7);
    assert.doesNotMatch(ended.stdout, /other/);
  });

  it('follows as JSON, an object a line, also a file that comes later; ends when nobody reads', async () => {
    const on = machine();
    const running = startHook(['log', '--follow', '--json', ...on.option], {
      program: installation().command,
    });
    let said = '';
    running.process.stderr?.on('data', (text: string) => (said += text));
    await until(() => said.includes('no lines in'));
    const path = join(on.directory, 'vfio-hook.log');
    const first = new Promise<string>((resolve) => running.process.stdout?.once('data', resolve));
    appendFileSync(path, '2026-11-20T10:00:00.000Z info    one owner=detach\n');
    const { message, owner } = JSON.parse(await first) as { message: string; owner: string };
    assert.deepEqual([message, owner], ['one', 'detach']);
    running.process.stdout?.destroy();
    appendFileSync(path, '2026-11-20T10:00:01.000Z info    two\n');
    const status = await new Promise((resolve) => running.process.on('exit', resolve));
    assert.equal(status, 0);
  });

  it('a log that cannot be read: status 1', () => {
    const on = machine();
    mkdirSync(join(on.directory, 'vfio-hook.log'));
    const ended = run(['log', ...on.option]);
    assert.equal(ended.status, 1);
    assert.match(ended.stderr, /^vfio-hook: cannot read \S+vfio-hook\.log: EISDIR\n/);
  });
});

describe('the log file', () => {
  const line = (minute: number, text: string): string =>
    `2026-11-20T10:${String(minute).padStart(2, '0')}:00.000Z info    ${text}\n`;

  it('comes after the newest file that it was rotated to', () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'vfio-hook.log');
    assert.equal(fileLines(path), undefined);
    writeFileSync(path, `${line(3, 'now guest=a')}torn`);
    writeFileSync(`${path}-20261101`, line(1, 'before'));
    writeFileSync(`${path}.2`, line(0, 'long ago'));
    writeFileSync(`${path}.bak`, line(2, 'not one of them'));
    utimesSync(`${path}.2`, 1, 1);
    utimesSync(`${path}.bak`, 9e9, 9e9);
    const found = fileLines(path);
    assert.deepEqual(
      found?.lines.map(({ message }) => message),
      ['before', 'now'],
    );
    assert.equal(found.where, `${path}-20261101 and ${path}`);
  });

  it('of a large one only the end is read', () => {
    const path = join(temporaryDirectory(), 'vfio-hook.log');
    writeFileSync(path, line(1, 'x'.repeat(900)).repeat(6000) + line(2, 'last'));
    const lines = fileLines(path)?.lines ?? [];
    assert.ok(lines.length > 1000 && lines.length < 6000, String(lines.length));
    assert.equal(lines.at(-1)?.message, 'last');
  });
});

describe('the journal', () => {
  it('a line as journalctl prints it', () => {
    const text = JSON.stringify({
      __CURSOR: 's=1',
      __REALTIME_TIMESTAMP: '1795168861123456',
      PRIORITY: '5',
      MESSAGE: 'devices handed over guest=win11 result=held ms=120',
    });
    assert.deepEqual(journalLine(text), {
      time: new Date(1795168861123).toISOString(),
      severity: 'notice',
      line: 'devices handed over guest=win11 result=held ms=120',
      message: 'devices handed over',
      guest: 'win11',
      result: 'held',
      ms: 120,
    });
  });

  it('a message that journalctl gives as bytes', () => {
    const MESSAGE = [...Buffer.from('step guest="a\u001b"')];
    const read = journalLine(JSON.stringify({ __REALTIME_TIMESTAMP: '1', PRIORITY: '3', MESSAGE }));
    assert.deepEqual([read?.severity, read?.guest], ['err', 'a\u001b']);
  });

  for (const text of ['', 'x', '3', 'null', '[]', '{}', '{"MESSAGE":"a"}', '{"__REALTIME_TIMESTAMP":"1"}']) {
    it(`${JSON.stringify(text)} is no line`, () => {
      assert.equal(journalLine(text), undefined);
    });
  }

  it('is asked in time, whatever this machine has', async () => {
    const { where, lines, trouble } = await journalLines();
    assert.equal(where, 'the journal (journalctl -t vfio-hook)');
    if (trouble !== undefined) assert.deepEqual(lines, []);
  });
});
