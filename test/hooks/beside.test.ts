import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { options } from '../../src/programs.ts';
import { BARE_ENVIRONMENT, callHook, choose, directoryOfPrograms, install } from '../hook/compiled.ts';
import { guest, hostdev, pci } from '../domain/documents.ts';
import { until } from '../until.ts';
import { shells, type Shell } from './launched.ts';

const WITH = guest(hostdev(pci(3)), { name: 'win11' });

/** A launcher with a script in Node's place, which has what the launcher has started beside it. */
interface Beside {
  readonly directory: string;
  /** What the script says, by the first word of each line. */
  readonly call: (shell: Shell, env?: Readonly<Record<string, string>>) => ReadonlyMap<string, string>;
}

function beside(script: string, change: (launcher: string) => string = (text) => text): Beside {
  const directory = directoryOfPrograms();
  const node = join(directory, 'node');
  writeFileSync(node, `#!/bin/sh\n${script}`, { mode: 0o755 });
  writeFileSync(join(directory, 'file'), 'a line\n');
  const { hook } = install({ launcher: (text) => change(choose(node)(text)) });
  return {
    directory,
    call: ([program, ...before], env = BARE_ENVIRONMENT) => {
      const ended = callHook([...before, hook, 'win11', 'prepare', 'begin', '-'], {
        program,
        env,
        input: WITH,
      });
      assert.deepEqual([ended.status, ended.stderr], [0, '']);
      return new Map(
        ended.stdout
          .trimEnd()
          .split('\n')
          .map((line) => [line.split(' ')[0] ?? '', line.slice(line.indexOf(' ') + 1)]),
      );
    },
  };
}

const ASKS = `
echo "pid $VFIO_HOOK_SIDE_SHELL"
file=\${0%/node}/file
printf '%s\\n' 1 read 1 "$file" >&4
read -r line <&5
echo "read $line"
printf '%s\\n' 2 lock "$file" 0 >&4
read -r line <&7
echo "lock $line"
flock -n "$file" true
echo "free $?"
for fd in 0 1 2 3 4 5 6 7 8 9; do
    [ -p /proc/$VFIO_HOOK_SIDE_SHELL/fd/$fd ] && its="$its $fd"
    [ -p /proc/$$/fd/$fd ] && [ $fd -gt 2 ] && own="$own $fd"
done
echo "pipes$its, its own$own"
echo "said $(readlink /proc/$VFIO_HOOK_SIDE_SHELL/fd/2)"
`;

describe('the launcher: what it starts beside Node', () => {
  for (const shell of shells) {
    it(`${shell.join(' ')}: a shell that reads, locks, and ends with it`, async () => {
      const { directory, call } = beside(ASKS);
      const said = call(shell);
      assert.equal(said.get('read'), '1 line a line');
      assert.equal(said.get('lock'), '2 0');
      assert.equal(said.get('free'), '1');
      await until(() => !existsSync(`/proc/${said.get('pid') ?? ''}`));
      assert.equal(readFileSync(join(directory, 'file'), 'utf8'), 'a line\n');
    });

    it(`${shell.join(' ')}: each has its own ends of the pipes, and nothing of the caller's that is waited for`, () => {
      const said = beside(ASKS).call(shell);
      // 9 is for what a command of the shell says.
      assert.equal(said.get('pipes'), '0 1 3 9, its own 4 5 7');
      assert.equal(said.get('said'), '/dev/null');
    });
  }

  it('the shell executes nothing that its caller has defined', () => {
    const { directory, call } = beside(ASKS);
    const evil = join(directory, 'evil');
    writeFileSync(evil, `touch '${directory}/executed'\n`);
    const body = `() { touch '${directory}/executed'; }`;
    const env = {
      ...BARE_ENVIRONMENT,
      BASH_ENV: evil,
      ENV: evil,
      SHELLOPTS: 'xtrace',
      'BASH_FUNC_read%%': body,
      'BASH_FUNC_flock%%': body,
      'BASH_FUNC_printf%%': body,
    };
    assert.equal(call(['/bin/dash'], env).get('lock'), '2 0');
    assert.equal(existsSync(join(directory, 'executed')), false);
  });

  it('nothing where there is no bash, and Node does it all', () => {
    const programs = join(directoryOfPrograms(), 'bin');
    mkdirSync(programs);
    for (const name of ['head', 'env', 'stat', 'id', 'readlink', 'sh']) {
      symlinkSync(`/usr/bin/${name}`, join(programs, name));
    }
    const path = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin\n';
    const script = 'echo "shell ${VFIO_HOOK_SIDE_SHELL-none}"\n[ -e /proc/$$/fd/4 ] || echo "pipes none"\n';
    const without = beside(script, (text) => {
      assert.ok(text.includes(path));
      return text.replace(path, `PATH=${programs}\n`);
    });
    for (const shell of shells) {
      const said = without.call(shell);
      assert.equal(said.get('shell'), 'none');
      assert.equal(said.get('pipes'), 'none');
    }
  });

  it('a logger, where there is a journal, which gets the lines when Node has ended, however it did', async () => {
    const programs = directoryOfPrograms();
    const got = join(programs, 'got');
    const logger = `#!/bin/sh\nprintf '%s\\n' "$@" >'${got}.new'\ncat >>'${got}.new'\nmv '${got}.new' '${got}'\n`;
    writeFileSync(join(programs, 'logger'), logger, { mode: 0o755 });
    const path = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin\n';
    const script = `echo "pid $$"\necho "logger $VFIO_HOOK_LOGGER"\necho '<30>a line' >&9\n`;
    const { call } = beside(script, (text) => {
      assert.ok(text.includes(path) && text.includes('[ -e /dev/log ]'));
      return text
        .replace(path, `PATH=${programs}:/usr/sbin:/usr/bin:/sbin:/bin\n`)
        .replace('/dev/log', '/dev');
    });
    for (const shell of shells) {
      const said = call(shell);
      assert.match(said.get('logger') ?? '', /^\d+$/);
      await until(() => existsSync(got));
      const lines = readFileSync(got, 'utf8').trimEnd().split('\n');
      assert.deepEqual(lines, [...options.logger, `--id=${said.get('pid') ?? ''}`, '<30>a line']);
      rmSync(got);
    }
  });
});
