import assert from 'node:assert/strict';
import type { MachineSpec, ProcessSpec } from '../../simulator/spec.ts';
import type { ModuleRules, ServiceRules } from '../../src/config/config.ts';
import {
  dieAtEachCallOfEnd,
  dieBefore,
  failureOf,
  guest,
  machineSpec,
  scenarios,
  type Scenario,
} from '../scenario.ts';

const HOST = 'nvidia-workstation';
const FIRST = '0000:01:00.0';
const SECOND = '0000:02:00.0';
const PERSISTENCED = 'nvidia-persistenced.service';
const SMI = '/usr/bin/nvidia-smi';

/** The daemon as it is by default: it has every card open. */
const daemon: ProcessSpec = {
  name: 'nvidia-persiste',
  unit: { name: PERSISTENCED },
  nodes: ['/dev/nvidia0', '/dev/nvidia1', '/dev/nvidiactl'],
  sessions: [],
};

/** How nvidia_drm is loaded, and which driver it is of. */
function driver(modeset: 'Y' | 'N', version = '550.163.01'): Pick<MachineSpec, 'modules'> {
  return {
    modules: machineSpec(HOST).modules.map((module) => ({
      ...module,
      ...(module.name === 'nvidia_drm' && { parameters: { ...module.parameters, modeset } }),
      ...(module.name === 'nvidia' && { version }),
    })),
  };
}

/** The host without NVIDIA's tools. */
function withoutSmi(): Pick<MachineSpec, 'files'> {
  const files = Object.entries(machineSpec(HOST).files).filter(([path]) => path !== SMI);
  return { files: Object.fromEntries(files) };
}

describe('cards on NVIDIA’s driver', () => {
  const open = scenarios();

  function workstation(
    machine: Partial<MachineSpec> = {},
    rules: { readonly modules?: ModuleRules; readonly services?: ServiceRules } = {},
  ): Scenario {
    return open({ host: HOST, machine: { processes: [daemon], ...machine }, config: rules });
  }

  /** The host with the first card only. */
  function alone(modules: ModuleRules): Scenario {
    const { devices } = machineSpec(HOST);
    const machine = {
      devices: devices.filter(({ address }) => !address.startsWith('0000:02:')),
      processes: [{ ...daemon, nodes: ['/dev/nvidia0', '/dev/nvidiactl'] }],
    };
    return workstation(machine, { modules });
  }

  /** What was done by programs and to modules. */
  const done = (on: Scenario): readonly string[] =>
    on
      .writes()
      .filter((write) => /^(?:systemctl|nvidia-smi|rmmod|load) /.test(write))
      .filter((write) => !/ show | --query-gpu=/.test(write));
  const unit = (on: Scenario, name: string): string | undefined => on.fact(`unit ${name}`);
  const loaded = (on: Scenario, name: string): boolean => on.machine.state().modules[name] !== undefined;
  const bothCards = guest('a', FIRST, SECOND);

  describe('that are all given to a guest', () => {
    it('are let go of by the daemon and by nvidia_drm before they are taken, and all of it comes back', async () => {
      const on = workstation();
      await on.prepare(bothCards);
      assert.deepEqual([on.driver(FIRST), on.driver(SECOND)], ['vfio-pci', 'vfio-pci']);
      assert.deepEqual(done(on), [
        `nvidia-smi --id=${FIRST} --persistence-mode=0`,
        `nvidia-smi --id=${SECOND} --persistence-mode=0`,
        'systemctl stop -- nvidia-cdi-refresh.path',
        `systemctl stop -- ${PERSISTENCED}`,
        'rmmod nvidia_drm',
        'load vfio-pci',
      ]);
      assert.equal(loaded(on, 'nvidia'), true);
      await on.release('a');
      assert.deepEqual(done(on), [
        'load nvidia_drm',
        `systemctl start -- ${PERSISTENCED}`,
        'systemctl start -- nvidia-cdi-refresh.path',
      ]);
      on.nothingDiffers();
    });

    it('find the way back again and again', async () => {
      const on = workstation();
      for (let round = 0; round < 4; round += 1) {
        await on.prepare(bothCards);
        await on.release('a');
        on.nothingDiffers();
      }
    });

    it('lose their driver and find it again, where the configuration unloads all of it', async () => {
      const on = workstation({}, { modules: { nvidia: 'unload' } });
      await on.prepare(bothCards);
      assert.deepEqual(
        ['nvidia_drm', 'nvidia_modeset', 'nvidia_uvm', 'nvidia'].filter((name) => loaded(on, name)),
        [],
      );
      assert.deepEqual(
        done(on).filter((line) => line.startsWith('rmmod')),
        ['rmmod nvidia_drm', 'rmmod nvidia_modeset', 'rmmod nvidia_uvm', 'rmmod nvidia'],
      );
      const [claim] = on.claims();
      assert.deepEqual(
        claim?.devices.filter(({ address }) => address === FIRST).map(({ original }) => original.driver),
        ['nvidia'],
      );
      await on.release('a');
      assert.deepEqual(
        done(on).filter((line) => line.startsWith('load')),
        ['load nvidia', 'load nvidia_uvm', 'load nvidia_modeset', 'load nvidia_drm'],
      );
      on.nothingDiffers();
    });

    it('keep their modules where nothing holds the cards by itself', async () => {
      const on = workstation(driver('N'));
      await on.prepare(bothCards);
      assert.equal(loaded(on, 'nvidia_drm'), true);
      await on.release('a');
      on.nothingDiffers();
    });

    it('are refused before anything is done where the configuration leaves nvidia_drm alone', async () => {
      const on = workstation({}, { modules: { nvidia: 'keep' } });
      const { message } = await failureOf(on.prepare(bothCards));
      assert.match(message, /the kernel's nvidia_drm has it open/);
      assert.deepEqual(done(on), []);
      on.nothingDiffers();
    });

    it('are refused, and the daemon named, where the configuration leaves it alone', async () => {
      const on = workstation(driver('N'), { services: { stop: [], start: [], nvidia: 'keep' } });
      const { message } = await failureOf(on.prepare(bothCards));
      assert.match(message, /"nvidia-persiste" \(pid \d+, nvidia-persistenced\.service\)/);
      on.nothingDiffers();
    });

    it('come back with the persistence mode that they had without the daemon', async () => {
      const on = workstation({ units: [], processes: [] });
      await on.machine.host().run('nvidia-smi', [`--id=${FIRST}`, '--persistence-mode=1'], 1000);
      const before = on.observation();
      await on.prepare(bothCards);
      assert.equal(on.fact(`${FIRST} persistence mode`), undefined);
      await on.release('a');
      on.nothingDiffers(before);
    });

    it('are as before after a death at any call of a start, and recover', async () => {
      const on = alone({ nvidia: 'unload' });
      for (let nth = 0, died = true; died; nth += 1) {
        const end = dieBefore(on, nth);
        await on.prepare(guest('a', FIRST)).catch(() => undefined);
        died = end();
        if (died) await on.recover();
        else await on.release('a');
        on.nothingDiffers();
      }
    });

    it('are as before after a death at any call of an end, and recover', async () => {
      const on = alone({ nvidia: 'unload' });
      await dieAtEachCallOfEnd(on, guest('a', FIRST));
    });

    it('are given after a death at any call of a start, and come back', async () => {
      const on = alone({});
      for (let nth = 0, died = true; died; nth += 1) {
        const end = dieBefore(on, nth);
        await on.prepare(guest('a', FIRST)).catch(() => undefined);
        died = end();
        await on.prepare(guest('a', FIRST));
        assert.equal(on.driver(FIRST), 'vfio-pci');
        await on.release('a');
        on.nothingDiffers();
      }
    });
  });

  describe('of which one stays with the host', () => {
    it('go one by one: the daemon lets go of the one, and goes on with the other', async () => {
      const on = workstation(driver('N'));
      await on.prepare(guest('a', FIRST));
      assert.equal(on.driver(FIRST), 'vfio-pci');
      assert.equal(unit(on, PERSISTENCED), 'active');
      assert.equal(on.fact(`${SECOND} persistence mode`), 'on');
      assert.deepEqual(done(on).slice(0, 2), [
        `nvidia-smi --id=${FIRST} --persistence-mode=0`,
        'systemctl stop -- nvidia-cdi-refresh.path',
      ]);
      await on.release('a');
      on.nothingDiffers();
    });

    it('without nvidia-smi the daemon is stopped for both', async () => {
      const on = workstation({ ...driver('N'), ...withoutSmi() });
      await on.prepare(guest('a', FIRST));
      assert.equal(unit(on, PERSISTENCED), 'inactive');
      await on.release('a');
      on.nothingDiffers();
    });

    it('are refused where an old nvidia_drm has the one open, which the other one needs', async () => {
      const on = workstation();
      const { message } = await failureOf(on.prepare(guest('a', FIRST)));
      assert.match(message, /the kernel's nvidia_drm has it open \(modeset is on\)/);
      assert.deepEqual(done(on), []);
      on.nothingDiffers();
    });

    it('go one by one where the driver takes nvidia_drm from a card itself', async () => {
      const on = workstation(driver('Y', '595.45.04'));
      await on.prepare(guest('a', FIRST));
      assert.equal(on.driver(FIRST), 'vfio-pci');
      assert.equal(loaded(on, 'nvidia_drm'), true);
      await on.release('a');
      on.nothingDiffers();
    });

    it('two guests with one each come and go in any order', async () => {
      for (const order of ['ab', 'ba']) {
        const on = workstation(driver('N'));
        await on.prepare(guest('a', FIRST));
        await on.prepare(guest('b', SECOND));
        assert.equal(unit(on, PERSISTENCED), 'inactive');
        for (const name of order) await on.release(name);
        on.nothingDiffers();
      }
    });
  });

  it('what one guest had unloaded comes back with its cards, also while another has it unloaded for its own', async () => {
    const on = workstation({ units: [], processes: [] });
    await on.machine.host().run('rmmod', ['nvidia_drm'], 1000);
    await on.detach([SECOND, '0000:02:00.1']);
    on.happens({ do: 'load', module: 'nvidia_drm' });
    await on.prepare(guest('a', FIRST));
    assert.equal(loaded(on, 'nvidia_drm'), false);
    await on.reattach([SECOND, '0000:02:00.1']);
    // As udev does it, or whoever looks at the card.
    on.happens({ do: 'load', module: 'nvidia_drm' });
    await on.prepare(guest('b', SECOND));
    assert.equal(loaded(on, 'nvidia_drm'), false);
    await on.release('a');
    assert.equal(on.driver(FIRST), 'nvidia');
    assert.equal(loaded(on, 'nvidia_drm'), true);
    assert.equal(on.driver(SECOND), 'vfio-pci');
    await on.release('b');
    assert.deepEqual([on.driver(SECOND), on.claims()], ['nvidia', []]);
  });

  describe('where something goes wrong', () => {
    it('a module that a program has open stays, the program is named, and everything is as it was', async () => {
      const on = workstation();
      on.happens({ do: 'hold-node', path: '/dev/nvidia-modeset', program: 'kwin_wayland' });
      on.config = { ...on.config, modules: { nvidia: 'unload' } };
      const { message } = await failureOf(on.prepare(bothCards));
      assert.match(message, /kwin_wayland/);
      on.nothingDiffers();
    });

    it('a refusal of the kernel that nobody can be seen behind ends the start, and everything is as it was', async () => {
      const on = workstation();
      on.machine.perform({
        do: 'fault',
        rule: { on: 'run', path: 'rmmod', effect: { kind: 'fail', errno: 'EAGAIN' } },
      });
      const { message } = await failureOf(on.prepare(bothCards));
      assert.match(
        message,
        /^cannot unload module nvidia_drm: .*temporarily unavailable.*everything is as it was$/,
      );
      on.nothingDiffers();
    });

    it('a module that says it is gone and is not ends the start', async () => {
      const on = workstation();
      on.machine.perform({ do: 'fault', rule: { on: 'run', path: 'rmmod', effect: { kind: 'lie' } } });
      const { message } = await failureOf(on.prepare(bothCards));
      assert.match(message, /module nvidia_drm is still there/);
      on.nothingDiffers();
    });

    it('an unload that does not return leaves a claim that says so, and the rest for recover', async () => {
      const on = workstation();
      on.machine.perform({
        do: 'fault',
        rule: { id: 'stuck', on: 'run', path: 'rmmod', effect: { kind: 'hang' } },
      });
      const { code } = await failureOf(on.prepare(bothCards));
      assert.equal(code, 'VH_STUCK');
      assert.deepEqual(
        on.claims().flatMap(({ stuck }) => stuck.map(({ path }) => path)),
        ['rmmod nvidia_drm'],
      );
      on.happens({ do: 'release-fault', id: 'stuck' });
      await on.recover();
      on.nothingDiffers();
    });

    it('a driver that does not answer nvidia-smi is not touched', async () => {
      const on = workstation(driver('N'));
      on.machine.perform({
        do: 'fault',
        rule: { on: 'run', path: 'nvidia-smi', times: 'always', effect: { kind: 'hang' } },
      });
      const { code, message } = await failureOf(on.prepare(guest('a', FIRST)));
      assert.equal(code, 'VH_STUCK');
      assert.match(message, /nvidia-smi does not say/);
      on.machine.perform({ do: 'clear-faults' });
      on.nothingDiffers();
    });

    it('a card that somebody else has put on another driver meanwhile is left, and so is its mode', async () => {
      const on = workstation();
      await on.prepare(bothCards);
      await on.byHand(`/sys/bus/pci/drivers/vfio-pci/unbind`, FIRST);
      await on.byHand(`/sys/bus/pci/devices/${FIRST}/driver_override`, 'pci-stub');
      await on.byHand(`/sys/bus/pci/drivers/pci-stub/bind`, FIRST);
      await on.release('a');
      assert.equal(on.driver(SECOND), 'nvidia');
      assert.equal(on.fact(`${SECOND} persistence mode`), 'on');
      assert.deepEqual(on.claims(), []);
    });
  });

  it('a module that a guest needs is loaded for it, and stays', async () => {
    const { modules } = machineSpec('amd-rdna3-desktop');
    const kvmfr = {
      ...modules.find(({ name }) => name === 'vfio')!,
      name: 'kvmfr',
      depends: [],
      loaded: false,
    };
    const machine = { modules: [...modules, kvmfr] };
    const on = open({ machine, config: { modules: { load: ['kvmfr'] } } });
    on.hasOwnConfig = true;
    await on.prepare(guest('a'));
    assert.ok(loaded(on, 'kvmfr'));
    assert.deepEqual(on.claims()[0]?.holds, [
      { kind: 'module', key: 'kvmfr', original: { loaded: false }, wish: { loaded: true } },
    ]);
    await on.prepare(guest('b'));
    await on.release('a');
    await on.release('b');
    assert.ok(loaded(on, 'kvmfr'));
    on.nothingDiffers();
    on.config = { ...on.config, modules: { load: ['nowhere'] } };
    const { message } = await failureOf(on.prepare(guest('a')));
    assert.match(message, /^cannot load module nowhere: .*everything is as it was$/);
  });

  it('other hosts are asked nothing of all this', async () => {
    const on = open({ host: 'amd-rdna3-desktop' });
    await on.prepare(guest('a', '0000:03:00.0'));
    assert.deepEqual(
      done(on).filter((line) => !line.startsWith('load')),
      [],
    );
    await on.release('a');
    on.nothingDiffers();
  });
});
