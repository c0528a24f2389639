import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VfioHookError } from '../../src/errors.ts';
import { planReattach } from '../../src/engine/plan-reattach.ts';
import { describeStep } from '../../src/steps/index.ts';
import { failureOf, guest, pci, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:03:00.0';
const SOUND = '0000:03:00.1';
const USB = '0000:0f:00.3';

/** As a script at boot does it: the override stays behind. */
async function byScript(s: Scenario, ...devices: readonly string[]): Promise<void> {
  s.happens({ do: 'load', module: 'vfio-pci' });
  for (const device of devices) await s.moveByHand(device, 'vfio-pci');
}

describe('reattach of what somebody else put on vfio-pci', () => {
  const scenario = scenarios();

  it('clears the override and lets the drivers of the host have it, the whole group', async () => {
    const s = scenario();
    const before = s.observation();
    await byScript(s, GPU, SOUND);
    s.writes();
    await s.reattach([GPU]);
    assert.deepEqual(s.writes(), [
      `vfio-pci/unbind < ${SOUND}`,
      `vfio-pci/unbind < ${GPU}`,
      `${GPU}/driver_override < ""`,
      `${SOUND}/driver_override < ""`,
      `/sys/bus/pci/drivers_probe < ${GPU}`,
      `/sys/bus/pci/drivers_probe < ${SOUND}`,
    ]);
    assert.deepEqual([s.driver(GPU), s.driver(SOUND)], ['amdgpu', 'snd_hda_intel']);
    assert.deepEqual(s.claims(), []);
    // vfio-pci's own traces in the power settings are nobody's original.
    assert.equal(s.observation()[`${GPU} driver override`], before[`${GPU} driver override`]);
  });

  it('binds the driver that is asked for', async () => {
    const s = scenario({ host: 'nvidia-desktop' });
    await byScript(s, '0000:01:00.0');
    await s.reattach(['0000:01:00.0'], { driver: 'nouveau' });
    assert.equal(s.driver('0000:01:00.0'), 'nouveau');
    assert.deepEqual(s.claims(), []);
  });

  it('puts it back on vfio-pci when the driver that is asked for does not take it', async () => {
    const s = scenario();
    await byScript(s, USB);
    const before = s.observation();
    const error = await failureOf(s.reattach([USB], { driver: 'amdgpu' }));
    assert.equal(error.code, 'VH_INCOMPLETE');
    assert.match(error.message, /cannot bind 0000:0f:00\.3 to amdgpu: ENODEV/);
    s.nothingDiffers(before);
  });

  it('leaves a device without a driver when none of the host takes it, and that is no failure', async () => {
    const s = scenario({ host: 'nvidia-desktop' });
    const MEMORY = '0000:00:14.2';
    await byScript(s, MEMORY);
    await s.reattach([MEMORY]);
    assert.equal(s.driver(MEMORY), 'none');
    assert.deepEqual(s.claims(), []);
  });

  it('finds out when a driver of the host wants it and cannot start', async () => {
    const s = scenario();
    await byScript(s, GPU, SOUND);
    s.fault({ kind: 'fail', errno: 'EINVAL' }, { path: '*/drivers_probe', value: GPU });
    const before = s.observation();
    const error = await failureOf(s.reattach([GPU]));
    assert.match(error.message, /cannot offer 0000:03:00\.0 to the drivers of the host: EINVAL/);
    // The other function is with the host, this one where it was.
    assert.deepEqual([s.driver(GPU), s.driver(SOUND)], ['vfio-pci', 'snd_hda_intel']);
    assert.equal(s.observation()[`${GPU} driver override`], before[`${GPU} driver override`]);
    assert.deepEqual(s.claims(), []);
  });

  it('keeps an override that names a driver of the host', async () => {
    const s = scenario({ host: 'nvidia-desktop' });
    await byScript(s, '0000:01:00.0');
    await s.byHand('/sys/bus/pci/devices/0000:01:00.0/driver_override', 'nvidia');
    await s.reattach(['0000:01:00.0']);
    assert.equal(s.driver('0000:01:00.0'), 'nvidia');
    assert.equal(s.fact('0000:01:00.0 driver override'), 'nvidia');
  });

  it('takes it from a stub as well, and gives a device without a driver one', async () => {
    const s = scenario();
    await s.moveByHand(SOUND, 'pci-stub');
    await s.moveByHand(USB, 'none');
    await s.reattach([SOUND, USB]);
    assert.deepEqual([s.driver(SOUND), s.driver(USB)], ['snd_hda_intel', 'xhci_hcd']);
  });

  it('does nothing to what the host has', async () => {
    const s = scenario();
    const { settled } = await s.reattach([GPU, '0000:00:00.0', '0000:01:00.0']);
    assert.deepEqual(settled, [GPU, '0000:00:00.0', '0000:01:00.0']);
    assert.deepEqual(s.writes(), []);
    s.nothingDiffers();
  });

  it('killed at any write: recover puts it where it was, or leaves it with the host', async () => {
    const s = scenario();
    await byScript(s, GPU, SOUND);
    const back = s.save();
    for (let nth = 1; nth <= 6; nth += 1) {
      for (const when of ['before', 'after'] as const) {
        back();
        s.machine.perform({ do: 'fault', rule: { on: 'write', nth, effect: { kind: 'kill', when } } });
        await assert.rejects(s.reattach([GPU]));
        s.happens({ do: 'clear-faults' });
        await s.recover();
        assert.ok(['vfio-pci', 'amdgpu'].includes(s.driver(GPU)), `${s.driver(GPU)} at ${nth}`);
        assert.ok(['vfio-pci', 'snd_hda_intel'].includes(s.driver(SOUND)), `${s.driver(SOUND)} at ${nth}`);
        assert.deepEqual(s.claims(), []);
      }
    }
  });
});

describe('reattach, twice', () => {
  const scenario = scenarios();
  const MEMORY = '0000:00:14.2';

  for (const override of ['vfio-pci', ''] as const) {
    it(`leaves a card where it was before its detach: on vfio-pci, ${override === '' ? 'without an override' : 'by an override'}`, async () => {
      const s = scenario();
      await byScript(s, GPU, SOUND);
      for (const device of [GPU, SOUND])
        await s.byHand(`/sys/bus/pci/devices/${device}/driver_override`, override);
      const before = s.observation();
      await s.detach([GPU]);
      await s.reattach([GPU]);
      s.nothingDiffers(before);
      s.writes();
      const again = await s.reattach([GPU, SOUND]);
      assert.deepEqual([again.settled, again.returned, again.refused], [[GPU, SOUND], [GPU, SOUND], []]);
      assert.deepEqual(s.writes(), []);
      s.nothingDiffers(before);
    });
  }

  it('lets the card go to the host all the same when its driver is named', async () => {
    const s = scenario({ host: 'nvidia-desktop' });
    const CARD = '0000:01:00.0';
    await byScript(s, CARD);
    await s.detach([CARD]);
    await s.reattach([CARD]);
    assert.equal(s.driver(CARD), 'vfio-pci');
    await s.reattach([CARD], { driver: 'nouveau' });
    assert.equal(s.driver(CARD), 'nouveau');
    // From here on it is a card like any other that somebody takes away.
    await s.moveByHand(CARD, 'vfio-pci');
    assert.deepEqual((await s.reattach([CARD])).returned, []);
    assert.notEqual(s.driver(CARD), 'vfio-pci');
  });

  it('does nothing more for a device that no driver of the host takes', async () => {
    const s = scenario({ host: 'nvidia-desktop' });
    await byScript(s, MEMORY);
    await s.reattach([MEMORY]);
    s.writes();
    await s.reattach([MEMORY]);
    assert.deepEqual([s.writes(), s.driver(MEMORY)], [[], 'none']);
  });

  it('knows nothing of an earlier boot, nor of what is not its own note', async () => {
    const s = scenario();
    await byScript(s, USB);
    await s.detach([USB]);
    await s.reattach([USB]);
    const note = join(s.directory, 'run/given-back', USB);
    assert.equal(statSync(note).mode & 0o777, 0o600);
    for (const text of ['', '{', readFileSync(note, 'utf8').replace('vfio-pci', 'pci-stub')]) {
      writeFileSync(note, text);
      const { returned } = await planReattach(s.engine(), { devices: [pci(USB)], skipRefused: false });
      assert.deepEqual(returned, [], text);
    }
  });
});

describe('a configuration that is broken', () => {
  const scenario = scenarios();
  const broken = (): never => {
    throw new VfioHookError('VH_CONFIG', 'cannot use configuration /etc/vfio-hook/config.yaml: line 1');
  };

  it('keeps nothing from going back: reattach says so and takes the usual timeouts', async () => {
    const s = scenario();
    await s.detach([GPU]);
    await byScript(s, USB);
    s.loadConfig = broken;
    const { notes } = await s.reattach([GPU, USB]);
    assert.deepEqual(notes, [
      'cannot use configuration /etc/vfio-hook/config.yaml: line 1; the usual timeouts count',
    ]);
    assert.deepEqual([s.driver(GPU), s.driver(USB), s.claims()], ['amdgpu', 'xhci_hcd', []]);
  });

  it('is not asked by release and recover', async () => {
    const s = scenario();
    await s.prepare(guest('win11', GPU));
    await s.prepare(guest('other', USB));
    s.loadConfig = broken;
    await s.release('win11');
    s.happens({ do: 'stop-libvirt' });
    await s.recover();
    s.nothingDiffers();
  });
});

describe('reattach that is refused', () => {
  const scenario = scenarios();

  it('says which guest has the devices, and nothing else goes back either', async () => {
    const s = scenario();
    await s.detach([USB]);
    await s.prepare(guest('win11', GPU));
    s.writes();
    const { refused } = await s.reattach([GPU, USB]);
    assert.deepEqual(
      refused.map(({ message }) => message),
      [`cannot give ${GPU} back to the host: guest "win11" holds it`],
    );
    assert.deepEqual(s.writes(), []);
  });

  it('of a pattern gives the others back', async () => {
    const s = scenario();
    await s.detach([USB]);
    await s.prepare(guest('win11', GPU));
    const { refused } = await s.reattach([GPU, USB], { skipRefused: true });
    assert.deepEqual([refused.length, s.driver(USB), s.driver(GPU)], [1, 'xhci_hcd', 'vfio-pci']);
  });

  it('says who has the group open', async () => {
    const s = scenario();
    await s.detach([GPU]);
    s.happens({ do: 'open-group', devices: [GPU, SOUND], guest: 'stranger', pid: 4321 });
    const { refused } = await s.reattach([GPU]);
    assert.match(String(refused[0]?.message), /: IOMMU group 16 is open in .* \(pid 4321\)$/);
    assert.equal(s.driver(GPU), 'vfio-pci');
  });

  it('takes no driver for a device whose own is known', async () => {
    const s = scenario();
    await s.detach([GPU]);
    const { refused } = await s.reattach([GPU], { driver: 'amdgpu' });
    assert.deepEqual(
      refused.map(({ code, message }) => [code, message]),
      [['VH_USAGE', `${GPU} gets back the driver that it had before its detach`]],
    );
  });
});

describe('reattach of what was detached', () => {
  const scenario = scenarios();

  it('says what is not back, and retries', async () => {
    const s = scenario();
    await s.detach([GPU]);
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/amdgpu/bind' });
    const error = await failureOf(s.reattach([GPU]));
    assert.equal(error.code, 'VH_INCOMPLETE');
    assert.match(error.message, /^not everything is given back: cannot bind 0000:03:00\.0 to amdgpu: EIO/);
    await s.reattach([GPU]);
    s.nothingDiffers();
  });

  it('leaves what somebody bound meanwhile, and says so', async () => {
    const s = scenario({ host: 'nvidia-desktop' });
    await s.detach(['0000:01:00.0']);
    s.happens({ do: 'load', module: 'nouveau' });
    await s.moveByHand('0000:01:00.0', 'nouveau');
    const { notes } = await s.reattach(['0000:01:00.0']);
    assert.deepEqual(notes, ['0000:01:00.0 was bound to "nouveau" by somebody else meanwhile']);
    assert.deepEqual([s.driver('0000:01:00.0'), s.claims()], ['nouveau', []]);
  });

  it('is done also when the card is gone from the bus', async () => {
    const s = scenario();
    await s.detach([GPU, USB]);
    s.happens({ do: 'unplug', device: USB });
    const { notes } = await s.reattach([USB]);
    assert.deepEqual(notes, [`${USB} is gone from the bus`]);
    await s.reattach([GPU]);
    assert.deepEqual(s.claims(), []);
  });

  it('is planned by the same code, which changes nothing', async () => {
    const s = scenario();
    await s.detach([GPU]);
    s.writes();
    const planned = await planReattach(s.engine(), { devices: [pci(GPU)], skipRefused: false });
    assert.deepEqual([s.writes(), s.claims().length], [[], 1]);
    const done = await s.reattach([GPU]);
    assert.deepEqual(planned.steps.map(describeStep), done.steps.map(describeStep));
  });
});
