import assert from 'node:assert/strict';
import { hintText } from '../../src/hint.ts';
import { dieAtEachCall, failureOf, guest, scenarios, type Scenario } from '../scenario.ts';

const UNIT = 'vfio-hook-awake.service';

describe('a host that does not sleep while a guest runs', () => {
  const open = scenarios();

  function machine(unit = UNIT): Scenario {
    const on = open({ machine: { units: [{ name: unit, active: 'inactive' }] }, config: { sleep: 'block' } });
    on.hasOwnConfig = true;
    return on;
  }

  const done = (on: Scenario): readonly string[] => on.writes().filter((write) => !write.includes(' show '));
  const isAwake = (on: Scenario): boolean => on.fact(`unit ${UNIT}`) === 'active';

  it('is kept awake by a unit, until the last guest that wants it is off', async () => {
    const on = machine();
    await on.prepare(guest('a'));
    assert.deepEqual(done(on), [`systemctl start -- ${UNIT}`]);
    await on.prepare(guest('b'));
    await on.release('a');
    assert.ok(isAwake(on));
    await on.release('b');
    assert.deepEqual(done(on), [`systemctl stop -- ${UNIT}`]);
    on.nothingDiffers();
  });

  it('is not asked for by a guest that allows it', async () => {
    const on = machine();
    on.config = { ...on.config, sleep: 'allow' };
    await on.prepare(guest('a'));
    assert.ok(!isAwake(on));
  });

  it('cannot be had where the unit is not installed, which is said', async () => {
    const on = machine('ssh.service');
    const { code, message, hints } = await failureOf(on.prepare(guest('a')));
    assert.equal(code, 'VH_REFUSED');
    assert.match(message, /systemd knows no unit vfio-hook-awake\.service$/);
    assert.ok(hints.some((hint) => hintText(hint).includes('install that again')));
    on.nothingDiffers();
  });

  it('is as before after a death at any call', async () => {
    assert.equal(await dieAtEachCall(() => machine(), guest('a')), 2);
  });
});
