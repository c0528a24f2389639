import assert from 'node:assert/strict';
import type { ProcessSpec, UnitSpec } from '../../simulator/spec.ts';
import type { ServiceRules } from '../../src/config/config.ts';
import { dieBefore, failureOf, guest, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:01:00.0';
const PERSISTENCED = 'nvidia-persistenced.service';
const OLLAMA = 'ollama.service';

/** A daemon that keeps the card open as long as it runs. */
const persistenced: ProcessSpec = {
  name: 'nvidia-persistenced',
  unit: { name: PERSISTENCED },
  nodes: ['/dev/nvidia0', '/dev/nvidiactl'],
  sessions: [],
};

const named = (...names: readonly string[]): ServiceRules['stop'] => names.map((name) => ({ name }));
const stop = (...names: readonly string[]): ServiceRules => ({ stop: named(...names), start: [] });
const start = (...names: readonly string[]): ServiceRules => ({ stop: [], start: named(...names) });

describe('services of a guest', () => {
  const open = scenarios();

  function desktop(
    services: ServiceRules,
    units: readonly UnitSpec[] = [],
    processes: readonly ProcessSpec[] = [persistenced],
  ): Scenario {
    const machine = { processes, units };
    const on = open({ host: 'nvidia-desktop', machine, config: { services } });
    on.hasOwnConfig = true;
    return on;
  }

  /** What was done, looks at units left out. */
  const done = (on: Scenario): readonly string[] => on.writes().filter((write) => !write.includes(' show '));
  const state = (on: Scenario, unit: string): string | undefined => on.fact(`unit ${unit}`);

  it('are stopped before the card that they have open is taken, and started when it is back', async () => {
    const on = desktop(stop(PERSISTENCED));
    await on.prepare(guest('a', GPU));
    assert.equal(on.driver(GPU), 'vfio-pci');
    assert.equal(state(on, PERSISTENCED), 'inactive');
    assert.equal(done(on)[0], `systemctl stop -- ${PERSISTENCED}`);
    await on.release('a');
    assert.equal(done(on).at(-1), `systemctl start -- ${PERSISTENCED}`);
    on.nothingDiffers();
  });

  it('without it the card is refused to the guest, and the daemon named', async () => {
    const on = desktop(stop());
    const { message } = await failureOf(on.prepare(guest('a', GPU)));
    assert.match(message, /"nvidia-persistenced" \(pid \d+, nvidia-persistenced\.service\)/);
    on.nothingDiffers();
  });

  it('are enough only where nobody else has the card open', async () => {
    const on = desktop(stop(PERSISTENCED));
    on.happens({ do: 'hold-node', path: '/dev/nvidia0', program: 'blender' });
    const { message } = await failureOf(on.prepare(guest('a', GPU)));
    assert.match(message, /"blender"/);
    assert.equal(state(on, PERSISTENCED), 'active');
    assert.deepEqual(done(on), []);
  });

  it('are enough only where all daemons that have the card open are among them', async () => {
    const ollama = { ...persistenced, name: 'ollama', unit: { name: OLLAMA } };
    const one = desktop(stop(PERSISTENCED), [], [persistenced, ollama]);
    await failureOf(one.prepare(guest('a', GPU)));
    one.nothingDiffers();
    const both = desktop(stop(PERSISTENCED, OLLAMA), [], [persistenced, ollama]);
    await both.prepare(guest('a', GPU));
    assert.equal(both.driver(GPU), 'vfio-pci');
    await both.release('a');
    both.nothingDiffers();
  });

  it('stay stopped until the last guest that wants it is gone', async () => {
    const on = desktop(stop(OLLAMA), [{ name: OLLAMA, active: 'active' }]);
    await on.prepare(guest('a'));
    await on.prepare(guest('b'));
    await on.release('a');
    assert.equal(state(on, OLLAMA), 'inactive');
    await on.release('b');
    on.nothingDiffers();
  });

  it('that did not run do not run afterwards, and those that the host has not are no matter', async () => {
    const on = desktop(stop(OLLAMA, 'nowhere.service'), [{ name: OLLAMA, active: 'inactive' }]);
    await on.prepare(guest('a'));
    await on.release('a');
    assert.deepEqual(
      done(on).filter((write) => write.startsWith('systemctl')),
      [],
    );
    on.nothingDiffers();
  });

  it('run meanwhile where that is wanted, and no longer', async () => {
    const on = desktop(start(OLLAMA), [{ name: OLLAMA, active: 'failed' }]);
    await on.prepare(guest('a'));
    assert.equal(state(on, OLLAMA), 'active');
    await on.release('a');
    assert.equal(state(on, OLLAMA), 'inactive');
    assert.deepEqual(on.claims(), []);
  });

  it('that systemd does not know cannot be started', async () => {
    const on = desktop(start('nowhere.service'));
    const { code, message } = await failureOf(on.prepare(guest('a')));
    assert.equal(code, 'VH_REFUSED');
    assert.match(message, /cannot have nowhere\.service: systemd knows no unit nowhere\.service$/);
    on.nothingDiffers();
  });

  it('cannot be wanted stopped by one guest and running by another', async () => {
    const on = desktop(stop(OLLAMA), [{ name: OLLAMA, active: 'active' }]);
    await on.prepare(guest('a'));
    on.config = { ...on.config, services: start(OLLAMA) };
    const { message } = await failureOf(on.prepare(guest('b')));
    assert.match(message, /guest "a" needs it stopped, and this one running$/);
  });

  it('of a user are asked of the manager of that user', async () => {
    const user = { name: 'pipewire.service', user: 1000 };
    const on = desktop({ stop: [user], start: [] }, [{ ...user, active: 'active' }]);
    await on.prepare(guest('a'));
    assert.equal(done(on)[0], 'systemctl --user --machine=1000@ stop -- pipewire.service');
    await on.release('a');
    on.nothingDiffers();
  });

  it('are one for all their names', async () => {
    const on = desktop(stop('display-manager.service'), [{ name: 'gdm.service', active: 'active' }]);
    const link = '/etc/systemd/system/display-manager.service';
    on.wrapHost = (host) => ({
      ...host,
      readLink: (path) => (path === link ? '/usr/lib/systemd/system/gdm.service' : host.readLink(path)),
    });
    await on.prepare(guest('a'));
    assert.equal(state(on, 'gdm.service'), 'inactive');
    await on.release('a');
    on.nothingDiffers();
  });

  it('that systemd does not stop leave the guest without a start, and everything as it was', async () => {
    const on = desktop(stop(PERSISTENCED));
    on.machine.perform({
      do: 'fault',
      rule: { on: 'run', path: 'systemctl', value: 'stop *', effect: { kind: 'fail', errno: 'EIO' } },
    });
    const { message } = await failureOf(on.prepare(guest('a', GPU)));
    assert.match(message, /^cannot stop nvidia-persistenced\.service: .*everything is as it was$/);
    on.nothingDiffers();
  });

  it('that systemd says are stopped and are not leave the guest without a start', async () => {
    const on = desktop(stop(PERSISTENCED));
    on.machine.perform({
      do: 'fault',
      rule: { on: 'run', path: 'systemctl', value: 'stop *', effect: { kind: 'lie' } },
    });
    const { message } = await failureOf(on.prepare(guest('a', GPU)));
    assert.match(message, /it is active afterwards/);
    on.nothingDiffers();
  });

  it('that were started too often are started all the same', async () => {
    const on = desktop(stop(OLLAMA), [{ name: OLLAMA, active: 'active', startLimit: 2 }]);
    for (let round = 0; round < 4; round += 1) {
      await on.prepare(guest('a'));
      await on.release('a');
      on.nothingDiffers();
    }
    assert.ok(done(on).includes(`systemctl reset-failed -- ${OLLAMA}`));
  });

  it('that somebody else has started meanwhile are left alone', async () => {
    const on = desktop(stop(OLLAMA), [{ name: OLLAMA, active: 'active' }]);
    await on.prepare(guest('a'));
    await on.machine.host().run('systemctl', ['start', '--', OLLAMA], 1000);
    on.writes();
    await on.release('a');
    assert.ok(!done(on).some((write) => write.startsWith('systemctl')));
    on.nothingDiffers();
  });

  const libvirtd: UnitSpec = { name: 'libvirtd.service', active: 'inactive', queued: true };

  it('that are started after libvirt’s daemon are queued while that waits for us, as before each of its starts', async () => {
    const on = desktop(stop(PERSISTENCED, OLLAMA), [
      { name: OLLAMA, active: 'active', after: libvirtd.name },
      libvirtd,
    ]);
    await on.prepare(guest('a', GPU));
    on.machine.perform({ do: 'stop-libvirt' });
    await on.recover();
    assert.ok(done(on).includes(`systemctl start --no-block -- ${OLLAMA}`));
    assert.equal(state(on, OLLAMA), 'inactive, queued');
    assert.equal(state(on, PERSISTENCED), 'active');
    assert.deepEqual(on.claims(), []);
  });

  it('that are started after libvirt’s daemon are waited for as others are, once that has come up', async () => {
    const on = desktop(stop(OLLAMA), [
      { name: OLLAMA, active: 'active', after: libvirtd.name },
      { name: libvirtd.name, active: 'active' },
    ]);
    await on.prepare(guest('a'));
    await on.release('a');
    assert.equal(done(on).at(-1), `systemctl start -- ${OLLAMA}`);
    on.nothingDiffers();
  });

  it('that are about to come up with the host count as running: they are stopped for the guest, and run afterwards', async () => {
    const on = desktop(stop(OLLAMA), [{ name: OLLAMA, active: 'inactive', queued: true }]);
    await on.prepare(guest('a'));
    assert.equal(state(on, OLLAMA), 'inactive');
    await on.release('a');
    assert.equal(state(on, OLLAMA), 'active');
    assert.deepEqual(on.claims(), []);
  });

  it('are as before after a death at any call', async () => {
    for (let nth = 0; nth < 24; nth += 1) {
      const on = desktop(stop(PERSISTENCED, OLLAMA), [{ name: OLLAMA, active: 'active' }]);
      const live = dieBefore(on, nth);
      await on.prepare(guest('a', GPU)).catch(() => undefined);
      await on.release('a').catch(() => undefined);
      live();
      await on.recover();
      on.nothingDiffers();
    }
  });
});
