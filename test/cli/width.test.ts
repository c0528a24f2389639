import assert from 'node:assert/strict';
import { columnsOf } from '../../src/cli/render/fit.ts';
import { expectGolden } from '../golden.ts';
import { TERMINAL_ENVIRONMENT } from '../hook/compiled.ts';
import { exampleGuest, succeeds, type Stage } from '../hook/stage.ts';
import { domain, host, machine, run, shown } from './run.ts';

const win11 = exampleGuest('windows-11-rx7900xtx');
const CARD = domain('windows-11-rx7900xtx');

/** A command, and whether what it prints is to be pasted as it is. */
const outputs: Readonly<Record<string, readonly string[]>> = {
  help: ['--help'],
  'detach-help': ['detach', '--help'],
  groups: ['groups'],
  plan: ['plan', CARD],
  'plan-refused': ['plan', domain('intel-arc-a770'), '--host', host('intel-arc')],
  status: ['status'],
  doctor: ['doctor'],
  lint: ['lint', CARD, '--host', host('amd-rdna3-desktop')],
  devices: ['devices', '03:00.0', '--format', 'qemu'],
  log: ['log'],
  detach: ['detach', '0f:00.3', '--dry-run'],
  error: ['plan', 'a-guest-that-is-not-there'],
};

describe('the width of a terminal', () => {
  let on: Stage;
  before(() => {
    on = machine();
    succeeds(on, win11, 'prepare');
  });

  for (const columns of [80, 60]) {
    for (const [name, args] of Object.entries(outputs)) {
      it(`${name} fits ${columns} columns`, () => {
        const env = { ...TERMINAL_ENVIRONMENT, COLUMNS: String(columns) };
        const machineOption = args.includes('--help') || args.includes('--host') ? [] : on.option;
        const ended = run([...args, ...machineOption], { env });
        const text = shown(ended, on)
          .replace(/ms=\d+/g, 'ms=N')
          .replace(/\b\d+ s ago/g, 'N s ago');
        // A path of the machine on which the tests run has any length.
        if (!['doctor', 'log', 'error'].includes(name))
          expectGolden(`cli/golden/${name}-${columns}.txt`, text);
        let isPasted = false;
        for (const line of (ended.stdout + ended.stderr).split('\n')) {
          const indent = line.search(/\S/);
          if (isPasted && indent > 9) continue;
          isPasted = / paste into .*:$|^ {9}paste into |^ {9}\S.*:$/.test(line);
          const words = line.trim().split(' ');
          // A single word, which would be of no use in two, may be longer.
          assert.ok(columnsOf(line) <= columns || words.length <= 2, line);
        }
      });
    }
  }

  it('LC_ALL=C has ASCII, in text and in JSON, and JSON says the same', () => {
    const env = { ...TERMINAL_ENVIRONMENT, LC_ALL: 'C' };
    for (const [name, args] of Object.entries(outputs)) {
      const machineOption = args.includes('--help') || args.includes('--host') ? [] : on.option;
      const ended = run([...args, ...machineOption], { env });
      assert.match(ended.stdout + ended.stderr, /^[\n -~]*$/, name);
    }
    const plan = ['plan', CARD, '--json', '--host', host('amd-rdna3-desktop')];
    const ascii = run(plan, { env });
    assert.match(ascii.stdout, /^[\n -~]*$/);
    assert.deepEqual(JSON.parse(ascii.stdout), JSON.parse(run(plan).stdout));
    expectGolden('cli/golden/groups-ascii.txt', shown(run(['groups', ...on.option], { env }), on));
  });

  it('without COLUMNS and without a terminal every line is whole', () => {
    const { stdout } = run(['groups', '--host', host('amd-rdna3-desktop')]);
    assert.ok(stdout.split('\n').some((line) => line.length > 100));
  });
});
