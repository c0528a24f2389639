import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { isDenial, needsRoot } from '../../src/cli/root.ts';
import { commands } from '../../src/cli/commands/index.ts';
import { VfioHookError } from '../../src/errors.ts';
import { callHook, installation } from '../hook/compiled.ts';

describe('what only root can do', () => {
  it('is said in one sentence that can be typed', () => {
    const { code, message, hints } = needsRoot(['run', '--device', '01:00.0', '--', 'a b', "it's", '\u009b']);
    assert.deepEqual(
      [code, message, hints],
      ['VH_ROOT', "only root can do that: sudo vfio-hook run --device 01:00.0 -- 'a b' 'it'\\''s' …", []],
    );
  });

  it('is what failed for want of a permission, but not for a file that somebody named', () => {
    assert.ok(isDenial(Object.assign(new Error('x'), { code: 'EACCES' })));
    assert.ok(isDenial(new VfioHookError('VH_CLAIM', 'x', { errno: 'EPERM' })));
    assert.ok(!isDenial(new VfioHookError('VH_FILE', 'x', { errno: 'EACCES' })));
    assert.ok(!isDenial(new VfioHookError('VH_CLAIM', 'x', { errno: 'EIO' })));
    assert.ok(!isDenial(new Error('x')));
  });

  if (process.geteuid?.() === 0) {
    const rows: readonly (readonly string[])[] = [
      ['detach', '01:00.0'],
      ['bind', '01:00.0', '--dry-run'],
      ['reattach', '--all'],
      ['recover', '--dry-run'],
      ['run', '--device', '01:00.0', '--', 'true'],
    ];
    for (const args of rows) {
      it(`${args.join(' ')}, by somebody else: one line, nothing of locks and claims (needs root)`, () => {
        const { directory, command } = installation();
        for (const path of [directory, join(directory, 'dist')]) chmodSync(path, 0o755);
        const ended = callHook(args, { program: command, uid: 65534 });
        assert.deepEqual(
          [ended.status, ended.stdout, ended.stderr],
          [
            args[0] === 'run' ? 125 : 1,
            '',
            `vfio-hook: error: only root can do that: sudo vfio-hook ${args.join(' ')}\n`,
          ],
        );
      });
    }
  }

  it('begins with sudo in each example', () => {
    const needing = commands.filter(({ onlyRoot, name }) => onlyRoot === true || name === 'status');
    for (const { examples } of needing) for (const example of examples) assert.match(example, /^sudo /);
  });
});
