import assert from 'node:assert/strict';
import type { UnitSpec } from '../../simulator/spec.ts';
import { hintText } from '../../src/hint.ts';
import { dieAtEachCall, failureOf, guest, scenarios, type Scenario } from '../scenario.ts';

const TEMPLATE = 'vfio-hook-latency@.service';
const installed: readonly UnitSpec[] = [{ name: TEMPLATE, active: 'inactive' }];

describe('how soon CPUs wake while a guest runs', () => {
  const open = scenarios();

  function machine(latency: number, units = installed): Scenario {
    const on = open({ machine: { units }, config: { latency } });
    on.hasOwnConfig = true;
    return on;
  }

  const done = (on: Scenario): readonly string[] => on.writes().filter((write) => !write.includes(' show '));
  const runs = (on: Scenario, microseconds: number): boolean =>
    on.fact(`unit vfio-hook-latency@${microseconds}.service`) === 'active';

  it('is what a unit keeps, which goes with the guest', async () => {
    const on = machine(0);
    await on.prepare(guest('a'));
    assert.ok(runs(on, 0));
    assert.deepEqual(done(on), ['systemctl start -- vfio-hook-latency@0.service']);
    await on.release('a');
    assert.deepEqual(done(on), ['systemctl stop -- vfio-hook-latency@0.service']);
    on.nothingDiffers();
  });

  it('is what each guest wants: the kernel goes by the strictest', async () => {
    const on = machine(20);
    await on.prepare(guest('a'));
    on.config = { ...on.config, latency: 0 };
    await on.prepare(guest('b'));
    await on.prepare(guest('c'));
    await on.release('b');
    assert.deepEqual([runs(on, 20), runs(on, 0)], [true, true]);
    await on.release('c');
    assert.deepEqual([runs(on, 20), runs(on, 0)], [true, false]);
    await on.release('a');
    on.nothingDiffers();
  });

  it('cannot be had where the unit is not installed, which is said', async () => {
    const on = machine(0, [{ name: 'ssh.service', active: 'active' }]);
    const { code, message, hints } = await failureOf(on.prepare(guest('a')));
    assert.equal(code, 'VH_REFUSED');
    assert.match(message, /systemd knows no unit vfio-hook-latency@0\.service$/);
    assert.ok(hints.some((hint) => hintText(hint).includes('install that again')));
    on.nothingDiffers();
  });

  it('is as before after a death at any call', async () => {
    assert.equal(await dieAtEachCall(() => machine(5), guest('a')), 2);
  });
});
