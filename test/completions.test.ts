import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { completions } from '../scripts/completions.ts';
import { commands } from '../src/cli/commands/index.ts';
import { offeredReasons } from '../src/pci/use.ts';
import { shownOptions } from '../src/cli/help.ts';

const repository = fileURLToPath(new URL('..', import.meta.url));

describe('the completions', () => {
  for (const [file, text] of Object.entries(completions())) {
    it(`are in step with the table of sub-commands (npm run build): ${file}`, () => {
      assert.equal(readFileSync(`${repository}${file}`, 'utf8'), text);
    });
  }

  for (const [shell, file] of [
    ['bash', 'vfio-hook.bash'],
    ['zsh', '_vfio-hook'],
    ['fish', 'vfio-hook.fish'],
  ] as const) {
    it(`are understood by ${shell} (skipped without it)`, function () {
      if (spawnSync(shell, ['--version']).error) this.skip();
      const { status, stderr } = spawnSync(shell, ['-n', `${repository}completions/${file}`], {
        encoding: 'utf8',
      });
      assert.deepEqual([status, stderr], [0, '']);
    });
  }

  /** What bash offers for a line with the cursor at its end. */
  function offered(line: string): string[] {
    const script = [
      `source '${repository}completions/vfio-hook.bash'`,
      "_vfio_hook_guests() { printf '%s\\n' win11 'steam box' '$(touch x)'; }",
      "_vfio_hook_addresses() { printf '%s\\n' 0000:03:00.0 0000:03:00.1 0000:04:00.0; }",
      'COMP_LINE=$1 COMP_POINT=${#1}',
      '_vfio_hook',
      'for word in "${COMPREPLY[@]}"; do printf "%s\\n" "$word"; done',
    ].join('\n');
    const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', script, 'bash', line], {
      encoding: 'utf8',
      cwd: `${repository}examples/hosts`,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    assert.deepEqual([status, stderr], [0, '']);
    return stdout.split('\n').filter((word) => word !== '');
  }

  it('offer every sub-command', () => {
    assert.deepEqual(offered('vfio-hook '), [
      ...commands.flatMap(({ name, aliases = [] }) => [name, ...aliases]),
      'help',
      '--help',
      '--version',
    ]);
    assert.deepEqual(offered('vfio-hook stat'), ['status']);
    assert.deepEqual(offered('vfio-hook nosuch'), []);
  });

  for (const command of commands) {
    it(`offer the options of ${command.name}`, () => {
      const options = shownOptions(command).map(({ name }) => `--${name}`);
      assert.deepEqual(offered(`vfio-hook ${command.name} --`), [...options, '--help']);
    });
  }

  it('offer the words of --allow, of either name of a command, but not the one for the disk of the host', () => {
    for (const command of ['detach', 'bind', 'run'])
      assert.deepEqual(offered(`vfio-hook ${command} --allow `), offeredReasons);
    assert.deepEqual(offered('vfio-hook bind --allow boot'), ['boot-vga']);
  });

  it('offer addresses in their short form, too', () => {
    const script = `source '${repository}completions/vfio-hook.bash'; _vfio_hook_addresses`;
    const { stdout } = spawnSync('bash', ['--norc', '-c', script], { encoding: 'utf8' });
    const shown = stdout.split('\n');
    for (const long of shown.filter((each) => each.startsWith('0000:')))
      assert.ok(shown.includes(long.slice('0000:'.length)), long);
  });

  it('offer files for an option that takes one', () => {
    assert.deepEqual(offered('vfio-hook simulate --host nvidia'), [
      'nvidia-desktop.yaml',
      'nvidia-vgpu-mdev.yaml',
      'nvidia-vgpu-server.yaml',
      'nvidia-workstation.yaml',
    ]);
  });
});
