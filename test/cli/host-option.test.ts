import assert from 'node:assert/strict';
import { commands } from '../../src/cli/commands.ts';
import { hostOption } from '../../src/cli/command.ts';
import { example } from '../hook/compiled.ts';
import { stage } from '../hook/stage.ts';
import { domain, host, run } from './run.ts';

const calls: Readonly<Record<string, readonly string[]>> = {
  groups: ['groups', '--json'],
  map: ['map', '--format', 'svg'],
  plan: ['plan', domain('windows-11-rx7900xtx'), '--json'],
  lint: ['lint', domain('windows-11-rx7900xtx'), '--json'],
};

describe('vfio-hook lint --host', () => {
  it('says that files of that machine cannot be seen, and does not take those of this one', () => {
    const xml = example('domains/windows-11-rx7900xtx.xml').replace(
      /(<hostdev[^]*?)<\/hostdev>/,
      "$1<rom file='/nonexistent/card.rom'/></hostdev>",
    );
    const ended = run(['lint', '-', '--host', host('amd-rdna3-desktop')], { input: xml });
    assert.match(
      ended.stdout,
      /^unknown {2}ROM of graphics cards, 0000:03:00\.0: whether its ROM file \/nonexistent\/card\.rom is there cannot be told: files of that machine cannot be seen from here$/m,
    );
    assert.doesNotMatch(ended.stdout, /is not there/);
  });
});

describe('--host FILE', () => {
  it('is an option of these commands', () => {
    assert.deepEqual(
      commands.filter(({ options }) => options.includes(hostOption)).map(({ name }) => name),
      Object.keys(calls),
    );
  });

  for (const [name, args] of Object.entries(calls)) {
    it(`${name} says of a described machine what it says on it`, () => {
      const on = stage('amd-rdna3-desktop');
      const described = run([...args, '--host', host('amd-rdna3-desktop')]);
      assert.deepEqual(named(described.stdout), named(run([...args, ...on.option]).stdout));
      assert.equal(described.stderr, '');
      assert.ok(described.stdout.length > 100);
    });
  }
});

/** Without what comes from the pci.ids of the machine that the tests run on. */
function named(text: string): string {
  return text.replace(/"(?:\w+Name)": "[^"]*",?\s*/g, '').replace(/>[^<]*</g, '><');
}
