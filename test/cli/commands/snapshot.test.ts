import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectGolden } from '../../golden.ts';
import { temporaryDirectory } from '../../hook/compiled.ts';
import { changes, picture } from '../../hook/stage.ts';
import { domain, isPlain, machine, run } from '../run.ts';

describe('vfio-hook snapshot', () => {
  it('describes a machine, and changes nothing', () => {
    const on = machine();
    const before = picture(on);
    const ended = run(['snapshot', ...on.option]);
    assert.deepEqual([ended.status, ended.stderr], [0, '']);
    isPlain(ended);
    expectGolden('cli/golden/snapshot.json', ended.stdout);
    assert.deepEqual([picture(on), changes(on)], [before, 0]);
  });

  it('a plan for the description is the plan for the machine, and a life on it ends well', () => {
    const on = machine();
    const file = join(temporaryDirectory(), 'host.json');
    writeFileSync(file, run(['snapshot', ...on.option]).stdout);
    const guest = domain('windows-11-rx7900xtx');
    const plan = run(['plan', guest, '--json', '--host', file]);
    assert.deepEqual(plan, run(['plan', guest, '--json', ...on.option]));
    assert.equal(plan.status, 0);
    const life = run(['simulate', '--domain', guest, '--host', file]);
    assert.deepEqual([life.status, life.stderr], [0, '']);
  });

  it('this very machine: what is printed can be looked at', () => {
    const file = join(temporaryDirectory(), 'host.json');
    const ended = run(['snapshot']);
    assert.equal(ended.status, 0, ended.stderr);
    writeFileSync(file, ended.stdout);
    assert.equal(run(['plan', domain('without-host-devices'), '--host', file]).status, 0);
  });
});
