import assert from 'node:assert/strict';
import type { DisplayRule } from '../../src/config/config.ts';
import { hintText } from '../../src/hint.ts';
import type { LoginSpec, MachineSpec } from '../../simulator/spec.ts';
import { differences } from '../simulator/observe.ts';
import {
  dieAtEachCall,
  dieBefore,
  failureOf,
  guest,
  machineSpec,
  pci,
  scenarios,
  type Scenario,
} from '../scenario.ts';

const AMD = ['0000:03:00.0', '0000:03:00.1'] as const;
const NVIDIA = ['0000:01:00.0', '0000:01:00.1', '0000:01:00.2', '0000:01:00.3'] as const;
const auto: DisplayRule = { release: 'auto', stop: [] };

describe('display', () => {
  const open = scenarios();

  function amd(display: DisplayRule = auto, machine: Partial<MachineSpec> = {}): Scenario {
    const on = open({ host: 'single-gpu-amd', machine, config: { display } });
    on.hasOwnConfig = true;
    return on;
  }
  function nvidia(kernel: MachineSpec['kernel'] = '6.12'): Scenario {
    const display: DisplayRule = { release: pci(NVIDIA[0]), stop: [] };
    const on = open({ host: 'single-gpu-nvidia', machine: { kernel }, config: { display } });
    on.hasOwnConfig = true;
    return on;
  }
  const done = (on: Scenario): readonly string[] =>
    on.writes().filter((write) => !write.includes(' show ') && !write.includes('driver_override'));
  const logins = (...more: readonly LoginSpec[]): Partial<MachineSpec> => ({
    logins: [...(machineSpec('single-gpu-amd').logins ?? []), ...more],
  });
  const bob: LoginSpec = {
    id: '4',
    user: 'bob',
    uid: 1001,
    service: 'gdm-password',
    type: 'wayland',
    class: 'user',
    seat: 'seat0',
    manager: 'gdm.service',
  };

  it('goes to the guest with the only card, and comes back with it', async () => {
    const on = amd();
    await on.prepare(guest('a', ...AMD));
    assert.equal(on.driver(AMD[0]), 'vfio-pci');
    assert.equal(on.fact('unit gdm.service'), 'inactive');
    const [first, second, , third] = done(on);
    assert.equal(first, 'systemctl stop -- gdm.service');
    assert.equal(second, '/sys/class/vtconsole/vtcon1/bind < 0');
    assert.match(third ?? '', /unbind < 0000:03:00\.1$/);
    await on.release('a');
    assert.equal(done(on).at(-1), 'systemctl start -- gdm.service');
    on.nothingDiffers();
  });

  it('is waited for until the last program of the session has closed the card', async () => {
    const on = amd();
    await on.prepare(guest('a', ...AMD));
    const wait = on.log.find(({ step }) => step === `wait until nobody has ${AMD[0]} open`);
    assert.equal(wait?.result, 'done');
    assert.ok((wait.durationMs ?? 0) >= 1400, String(wait.durationMs));
  });

  it('without it the start is refused, and says what it would take', async () => {
    const on = open({ host: 'single-gpu-amd' });
    const { message, hints } = await failureOf(on.prepare(guest('a', ...AMD)));
    assert.match(message, /the firmware chose it as the primary display/);
    const offer = hints.map(hintText).filter((text) => text.includes('display: {release'));
    assert.deepEqual(offer, [
      'or give the guest the screen of the host, by display: {release: "0000:03:00.0"} in its configuration: gdm.service stops for it, and the session of the desktop ends, also that of whoever starts the guest there',
    ]);
    on.nothingDiffers();
  });

  it('is said to end the session of whoever starts the guest there', async () => {
    const on = amd();
    await on.prepare(guest('a', ...AMD));
    const notes = on.log.filter(({ severity }) => severity === 'warning').map(({ message }) => message);
    assert.ok(
      notes.includes(
        'gdm.service: its stop ends the session of "alice", with every program in it: whoever starts the guest there loses it; start it from a text console, by ssh or from a timer to stay',
      ),
      notes.join('\n'),
    );
  });

  it('is not taken from two users at once', async () => {
    const on = amd(auto, logins(bob));
    const { message } = await failureOf(on.prepare(guest('a', ...AMD)));
    assert.match(message, /gdm\.service: its stop would end the sessions of "alice" and "bob"$/);
    on.nothingDiffers();
  });

  it('is not taken from a session that was begun at a text console', async () => {
    const sway: LoginSpec = { ...bob, service: 'login' };
    const on = amd(auto, logins(sway));
    on.happens({
      do: 'hold-node',
      path: '/dev/dri/card0',
      program: 'sway',
      unit: { name: 'session-4.scope' },
    });
    const { message } = await failureOf(on.prepare(guest('a', ...AMD)));
    assert.match(message, /"sway" \(pid \d+, session-4\.scope\)$/);
    assert.deepEqual(done(on), []);
    on.nothingDiffers();
  });

  it('is not taken from what a user left running that has another session', async () => {
    const ssh: LoginSpec = { ...bob, user: 'alice', uid: 1000, service: 'sshd', type: 'tty' };
    const on = amd(auto, logins(ssh));
    const { message } = await failureOf(on.prepare(guest('a', ...AMD)));
    assert.match(message, /"firefox"/);
    assert.deepEqual(done(on), []);
    const own = amd(
      { ...auto, stop: [] },
      {
        ...logins(ssh),
        processes: machineSpec('single-gpu-amd').processes.filter(({ name }) => name !== 'firefox'),
      },
    );
    await own.prepare(guest('a', ...AMD));
    assert.equal(own.driver(AMD[0]), 'vfio-pci');
  });

  it('comes back when a program does not let go of the card in time', async () => {
    const processes = machineSpec('single-gpu-amd').processes.map((each) =>
      each.name === 'firefox' ? { ...each, endsMs: 60_000 } : each,
    );
    const on = amd(auto, { processes });
    const { message } = await failureOf(on.prepare(guest('a', ...AMD)));
    assert.match(
      message,
      /^cannot wait until nobody has 0000:03:00\.0 open: \/dev\/dri\/renderD128 is open in "firefox" \(pid \d+, app-gnome-firefox-2211\.scope\) after 30 s; guest "a" is not started and everything is as it was$/,
    );
    assert.equal(on.fact('unit gdm.service'), 'active');
    on.nothingDiffers();
  });

  it('comes back when the display manager takes longer to stop than it may', async () => {
    const on = amd(auto, { units: [{ name: 'gdm.service', active: 'active', stopMs: 90_000 }] });
    const { code, message } = await failureOf(on.prepare(guest('a', ...AMD)));
    assert.equal(code, 'VH_STUCK');
    assert.match(message, /^cannot stop gdm\.service: systemd did not finish within 30 s/);
    assert.equal(on.fact('unit gdm.service'), 'active');
    await on.recover();
    on.nothingDiffers();
  });

  it('is left dark where the display manager did not run', async () => {
    const on = amd(auto, { units: [{ name: 'gdm.service', active: 'inactive' }], processes: [], logins: [] });
    await on.prepare(guest('a', ...AMD));
    assert.ok(!done(on).some((write) => write.startsWith('systemctl')));
    await on.release('a');
    on.nothingDiffers();
  });

  it('is given away on a host without a display manager, too', async () => {
    const { files } = machineSpec('single-gpu-amd');
    const without = Object.fromEntries(
      Object.entries(files).filter(([path]) => !path.includes('display-manager')),
    );
    const on = amd(auto, { files: without, units: [], processes: [], logins: [] });
    await on.prepare(guest('a', ...AMD));
    await on.release('a');
    on.nothingDiffers();
  });

  it('is taken again where an earlier start ended in the middle', async () => {
    const on = amd();
    const live = dieBefore(on, 2);
    await on.prepare(guest('a', ...AMD)).catch(() => undefined);
    assert.ok(live());
    assert.equal(on.fact('console frame buffer device'), 'not bound');
    await on.prepare(guest('a', ...AMD));
    assert.equal(on.driver(AMD[0]), 'vfio-pci');
    await on.prepare(guest('a', ...AMD));
    await on.release('a');
    on.nothingDiffers();
  });

  it('comes back after a death at any call', async () => {
    assert.ok((await dieAtEachCall(() => amd(), guest('a', ...AMD))) > 3);
  });

  it('comes back though a function of the card does not', async () => {
    const on = amd();
    await on.prepare(guest('a', ...AMD));
    on.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/snd_hda_intel/bind', times: 'always' });
    await failureOf(on.release('a'));
    assert.equal(on.fact('unit gdm.service'), 'active');
    on.machine.perform({ do: 'clear-faults' });
    await on.recover();
    on.nothingDiffers();
  });

  it('waits while the kernel waits for the card: a login screen would open it again', async () => {
    const on = amd();
    on.fault({ kind: 'hang' }, { path: '*/amdgpu/unbind' });
    const { code } = await failureOf(on.prepare(guest('a', ...AMD)));
    assert.equal(code, 'VH_STUCK');
    assert.equal(on.fact('unit gdm.service'), 'inactive');
    await on.recover();
    assert.equal(on.fact('unit gdm.service'), 'inactive');
    on.machine.perform({ do: 'clear-faults' });
    await on.recover();
    assert.equal(on.fact('unit gdm.service'), 'active');
    on.nothingDiffers();
  });

  it('is for a card that the guest is assigned', async () => {
    const on = amd({ release: pci('0000:01:00.0'), stop: [] });
    const { code, message, hints } = await failureOf(on.prepare(guest('a', ...AMD)));
    assert.equal(code, 'VH_CONFIG');
    assert.equal(message, 'display.release cannot be done: its XML does not assign 0000:01:00.0');
    assert.deepEqual(hints.map(hintText), ['write the card that it is assigned, 0000:03:00.0, or auto']);
    const none = amd();
    const refused = await failureOf(none.prepare(guest('a', '0000:05:00.0')));
    assert.equal(refused.message, 'display.release cannot be done: its XML assigns no graphics card');
  });

  describe('of the firmware', () => {
    it('is released before the card is taken, and given back where the kernel leaves it', async () => {
      const on = nvidia('5.15');
      await on.prepare(guest('a', ...NVIDIA));
      const writes = done(on);
      const released = writes.indexOf('/sys/bus/platform/drivers/efi-framebuffer/unbind < efi-framebuffer.0');
      const taken = writes.findIndex((write) => write.startsWith('nvidia/unbind '));
      assert.ok(released > 0 && released < taken, writes.join('\n'));
      await on.release('a');
      on.nothingDiffers();
    });

    it('is said to be gone until the next boot where it is, and is no leftover then', async () => {
      const on = nvidia();
      const before = on.observation();
      await on.prepare(guest('a', ...NVIDIA));
      assert.ok(on.log.some(({ message }) => message.includes('takes it away until the next boot')));
      await on.release('a');
      assert.deepEqual(on.claims(), []);
      assert.deepEqual(differences(before, on.observation()), [
        'console dummy device: not bound -> bound',
        'console frame buffer device: bound -> absent',
        'firmware frame buffer: efi-framebuffer.0 -> absent',
      ]);
      assert.equal(on.fact('unit sddm.service'), 'active');
      await on.prepare(guest('a', ...NVIDIA));
      await on.release('a');
      assert.equal(on.fact('unit nvidia-persistenced.service'), 'active');
    });

    it('comes back after a death at every fourth call', async () => {
      assert.ok((await dieAtEachCall(() => nvidia('5.15'), guest('a', ...NVIDIA), 4)) > 3);
    });
  });
});
