import assert from 'node:assert/strict';
import { readCall } from '../../src/cli/arguments.ts';
import type { Command } from '../../src/cli/command.ts';
import { commands } from '../../src/cli/commands/index.ts';
import { VfioHookError } from '../../src/errors.ts';
import { errorLines } from '../../src/report.ts';
import { host, isPlain, run } from './run.ts';

const command: Command = {
  name: 'try',
  about: '',
  details: '',
  operands: [{ name: 'GUEST', about: '', optional: true, repeated: true }],
  options: [
    { name: 'json', about: '' },
    { name: 'lines', short: 'n', value: 'N', about: '' },
    { name: 'device', value: 'ADDRESS', about: '', repeated: true },
    { name: 'secret', about: '', hidden: true },
  ],
  examples: [],
  run: () => 0,
};

/** `message; hint` of the error that is thrown. */
function complaint(args: readonly string[]): string {
  try {
    readCall(command, args);
  } catch (error) {
    assert.ok(error instanceof VfioHookError && error.code === 'VH_USAGE');
    return errorLines(error)
      .map((line) => line.replace(/^vfio-hook: (?:error|hint): /, ''))
      .join('; ');
  }
  throw new Error(`${args.join(' ')} was taken`);
}

describe('readCall', () => {
  it('reads operands, options, and options that may be given again', () => {
    const args = ['a', '--json', '-n', '5', '--device=b', '--device', 'c', '--lines=-x', '--', '--json'];
    assert.deepEqual(readCall(command, args), {
      operands: ['a', '--json'],
      options: new Map<string, string | true>([
        ['json', true],
        ['lines', '-x'],
      ]),
      lists: new Map([['device', ['b', 'c']]]),
    });
  });

  it('takes one dash for a value', () => {
    assert.equal(readCall(command, ['--lines', '-']).options.get('lines'), '-');
  });

  const see = 'see: vfio-hook try --help';
  const rows: Readonly<Record<string, readonly [args: readonly string[], complaint: string]>> = {
    'a mistyped option': [['--jsno'], 'vfio-hook try has no option "--jsno"; did you mean --json?'],
    'a mistyped option with a value': [
      ['--line=5'],
      'vfio-hook try has no option "--line"; did you mean --lines?',
    ],
    'a mistyped --help': [['--hlep'], 'vfio-hook try has no option "--hlep"; did you mean --help?'],
    'an option like no other': [['--frobnicate'], `vfio-hook try has no option "--frobnicate"; ${see}`],
    'a hidden option is not offered': [['--secert'], `vfio-hook try has no option "--secert"; ${see}`],
    'a short option': [['-x'], `vfio-hook try has no option "-x"; ${see}`],
    'a hostile option': [['--\u001b[2J'], `vfio-hook try has no option "--\\u{1b}[2J"; ${see}`],
    'no value': [['--lines'], `--lines needs a value: --lines N; ${see}`],
    'an option in place of a value': [['-n', '--json'], `-n needs a value: -n N; ${see}`],
    'a value for a switch': [['--json=yes'], `--json takes no value; ${see}`],
  };
  for (const [title, [args, expected]] of Object.entries(rows)) {
    it(title, () => {
      assert.equal(complaint(args), expected);
    });
  }
});

describe('exit statuses', () => {
  for (const { name } of commands) {
    // What is not known is found before anything else is looked at.
    it(`${name}: ${name === 'run' ? 125 : 2} for wrong usage, in words of our own`, () => {
      const ended = run([name, '--\u009bfrobnicate']);
      isPlain(ended);
      assert.deepEqual([ended.status, ended.stdout], [name === 'run' ? 125 : 2, '']);
      const [error, hint] = ended.stderr.split('\n');
      assert.equal(error, `vfio-hook: error: vfio-hook ${name} has no option "--\\u{9b}frobnicate"`);
      assert.equal(hint, `vfio-hook: hint: see: vfio-hook ${name} --help`);
    });
  }

  const failures: Readonly<Record<string, readonly [args: readonly string[], status: number]>> = {
    'a guest that is not there': [['plan', '/nonexistent/guest.xml'], 1],
    'a guest of the linter': [['lint', '/nonexistent/guest.xml'], 2],
    'a machine': [['groups', '--host', '/nonexistent/host.json'], 1],
    'a machine that is a directory': [['groups', '--host', '/proc'], 1],
    'a configuration': [
      ['plan', '/dev/null', '--host', host('lab-q35'), '--config', '/nonexistent/a\u001b.yaml'],
      1,
    ],
    'a file to validate': [['validate', '/nonexistent/guest.yaml'], 1],
  };
  for (const [title, [args, status]] of Object.entries(failures)) {
    it(`${title} that cannot be read: ${status}, and why without the words of Node.js`, () => {
      const ended = run(args);
      isPlain(ended);
      assert.deepEqual([ended.status, ended.stdout], [status, '']);
      assert.doesNotMatch(ended.stderr, /ENOENT|EISDIR|, open|fault of vfio-hook/);
    });
  }
});
