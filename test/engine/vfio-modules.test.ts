import assert from 'node:assert/strict';
import { dieAtEachCallOfEnd, guest, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:03:00.0';
const USB = '0000:0f:00.3';
const VFIO = ['vfio_iommu_type1', 'vfio_pci', 'vfio_pci_core', 'vfio'];

describe('modules of VFIO after the last guest', () => {
  const open = scenarios();

  const desktop = (unload: boolean | undefined, vfioLoaded?: true): Scenario =>
    open({
      host: 'amd-rdna3-desktop',
      ...(unload !== undefined && { config: { modules: { unload } } }),
      ...(vfioLoaded && { vfioLoaded }),
    });
  const loaded = (on: Scenario): readonly string[] =>
    VFIO.filter((name) => on.machine.state().modules[name] !== undefined);
  const unloads = (on: Scenario): readonly string[] =>
    on.writes().filter((write) => write.startsWith('rmmod'));

  it('are never unloaded unless the configuration says so', async () => {
    for (const unload of [undefined, false]) {
      const on = desktop(unload);
      await on.prepare(guest('a', GPU));
      await on.release('a');
      assert.deepEqual(loaded(on), VFIO);
      assert.deepEqual(unloads(on), []);
    }
  });

  it('go where it says so, each before what it uses, whoever had them loaded', async () => {
    for (const before of [undefined, true] as const) {
      const on = desktop(true, before);
      await on.prepare(guest('a', GPU));
      await on.release('a');
      assert.deepEqual(
        unloads(on),
        VFIO.map((name) => `rmmod ${name}`),
      );
      assert.deepEqual(loaded(on), []);
      on.nothingDiffers();
    }
  });

  it('stay until the last guest has given its devices back', async () => {
    const on = desktop(true);
    await on.prepare(guest('a', GPU));
    await on.prepare(guest('b', USB));
    await on.release('a');
    assert.deepEqual(unloads(on), []);
    assert.equal(on.driver(USB), 'vfio-pci');
    await on.release('b');
    assert.deepEqual(loaded(on), []);
    on.nothingDiffers();
  });

  it('stay while a device that nobody claims is on vfio-pci', async () => {
    const on = desktop(true, true);
    await on.moveByHand(USB, 'vfio-pci');
    on.writes();
    await on.prepare(guest('a', GPU));
    await on.release('a');
    assert.deepEqual(unloads(on), []);
    assert.equal(on.driver(USB), 'vfio-pci');
    assert.deepEqual(on.claims(), []);
  });

  it('stay while a person has detached a device', async () => {
    const on = desktop(true);
    await on.detach([USB]);
    await on.prepare(guest('a', GPU));
    await on.release('a');
    assert.deepEqual(unloads(on), []);
    await on.reattach([USB]);
    on.nothingDiffers();
  });

  it('that the kernel keeps stay, and that is no failure', async () => {
    const on = desktop(true);
    await on.prepare(guest('a', GPU));
    on.machine.perform({
      do: 'fault',
      rule: { on: 'run', path: 'rmmod', value: 'vfio_pci_core', effect: { kind: 'fail', errno: 'EAGAIN' } },
    });
    await on.release('a');
    assert.deepEqual(loaded(on), ['vfio_pci_core', 'vfio']);
    on.nothingDiffers();
  });

  it('are gone after a death at any call of an end, and recover', async () => {
    const on = desktop(true);
    await dieAtEachCallOfEnd(on, guest('a', GPU), () => {
      assert.deepEqual(loaded(on), []);
    });
  });

  it('are gone after a start that has failed', async () => {
    const on = desktop(true);
    on.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/vfio-pci/bind' });
    await assert.rejects(on.prepare(guest('a', GPU)));
    assert.deepEqual(loaded(on), []);
    on.nothingDiffers();
  });
});
