import assert from 'node:assert/strict';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, installation, temporaryDirectory, type Installation } from '../hook/compiled.ts';
import { domain, run, runAlone } from './run.ts';
import { warmProcess } from './warm-process.ts';

/** The command with this in the place of its code. */
function withCode(text: string): Installation {
  const directory = temporaryDirectory();
  cpSync(join(installation().directory, 'dist'), join(directory, 'dist'), { recursive: true });
  writeFileSync(codeOf(join(directory, 'dist'))[1]!, text);
  return { ...installation(), directory, command: join(directory, 'dist/vfio-hook') };
}

describe('the command in a process that has run it before', () => {
  const calls: readonly (readonly string[])[] = [
    ['--version'],
    ['--nonsense'],
    ['hostdevs', domain('decoys'), '--json'],
    ['hostdevs', domain('nvme-disk')],
    ['plan', '/nonexistent/guest.xml'],
    ['status', 'extra', '--json'],
  ];

  it('says what it says in one of its own, each time', () => {
    const alone = calls.map((args) => runAlone(args));
    for (let round = 0; round < 2; round += 1)
      assert.deepEqual(
        calls.map((args) => run(args)),
        alone,
      );
  });

  it('is no success when the process ends', () => {
    const warm = warmProcess(withCode('exports.main = () => process.exit(0)'));
    assert.throws(() => warm(['--version']), /ended in the middle of: vfio-hook --version/);
  });

  for (const [what, code] of [
    ['waits for ever', 'exports.main = () => new Promise(() => setInterval(() => {}, 1000))'],
    ['is busy for ever', 'exports.main = () => { for (;;); }'],
  ] as const)
    it(`is killed when a call ${what}`, () => {
      const warm = warmProcess(withCode(code), 100);
      assert.throws(() => warm(['--version']), /ended in the middle of/);
    });
});
