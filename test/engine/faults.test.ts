import assert from 'node:assert/strict';
import { defaultConfig } from '../../src/config/config.ts';
import type { JournalEntry } from '../../src/host/simulated/state.ts';
import {
  failureOf,
  guest,
  openScenario,
  pci,
  scenarios,
  stateDirectory,
  type Scenario,
  type ScenarioOptions,
} from '../scenario.ts';
import { rmSync } from 'node:fs';

const MIB = 2 ** 20;
const GPU = '0000:03:00.0';
const win11 = guest('win11', GPU);

/** Every kind of write is in the life of a guest with this. */
const options: ScenarioOptions = {
  config: {
    ...defaultConfig,
    devices: [{ match: { by: 'class', word: 'vga' }, bars: new Map([[2, 8 * MIB]]) }],
  },
};

/** The same, where a sound device may be taken from the programs that have it open. */
const heldAllowed: ScenarioOptions = {
  config: {
    ...options.config,
    devices: [
      ...(options.config?.devices ?? []),
      { match: { by: 'address', address: pci('0000:03:00.1') }, bars: new Map(), allow: ['held'] },
    ],
  },
};

/** What the kernel may answer to a write, by the end of the attribute's path. */
const errnos: Readonly<
  Record<
    string,
    readonly (
      | 'EBUSY'
      | 'ENODEV'
      | 'EIO'
      | 'EINVAL'
      | 'ENOENT'
      | 'ENOSPC'
      | 'ENOMEM'
      | 'EAGAIN'
      | 'EACCES'
      | 'EPERM'
      | 'ENOTSUPP'
    )[]
  >
> = {
  driver_override: ['ENODEV', 'EINVAL', 'ENOMEM'],
  unbind: ['ENODEV', 'EACCES', 'EBUSY'],
  bind: ['EBUSY', 'ENODEV', 'EIO', 'EINVAL', 'EAGAIN', 'ENOENT', 'ENOMEM'],
  resource2_resize: ['ENOSPC', 'EBUSY', 'EINVAL', 'ENOENT', 'EPERM', 'ENOTSUPP'],
  control: ['ENODEV', 'EIO'],
};

/** The writes of one undisturbed life. */
async function undisturbed(): Promise<{ start: readonly JournalEntry[]; end: readonly JournalEntry[] }> {
  const directory = stateDirectory();
  try {
    const s = openScenario(options, directory);
    await s.prepare(win11);
    const start = s.machine.journal();
    await s.release('win11');
    return { start, end: s.machine.journal().slice(start.length) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** A rule's pattern for one write; `*` in a value would stand for anything. */
function onlyThis({ operation, path, value }: JournalEntry): {
  on: 'write' | 'load' | 'unload';
  path: string;
  value: string;
} {
  return { on: operation, path, value: value.trimEnd() };
}

const shown = ({ operation, path, value }: JournalEntry): string =>
  operation === 'write'
    ? `${JSON.stringify(value.trimEnd())} to ${path.split('/').slice(-2).join('/')}`
    : `${operation} ${path}`;

const { start, end } = await undisturbed();

/** What was written of the way there after a write had failed; what undoes it is another write. */
function onward(s: Scenario): string[] {
  const made = s.machine.journal();
  const failed = made.findIndex(({ result }) => result !== 'ok');
  const ahead = start.slice(failed + 1).map(shown);
  return made
    .slice(failed + 1)
    .map(shown)
    .filter((write) => ahead.includes(write));
}

describe('a kernel write that fails', () => {
  const scenario = scenarios();

  for (const write of start) {
    const answers =
      write.operation === 'load'
        ? ['ENOENT' as const, 'EPERM' as const]
        : errnos[write.path.split('/').at(-1)!]!;
    for (const errno of answers) {
      it(`at the start is undone: ${shown(write)}, ${errno}`, async () => {
        const s = scenario(options);
        s.fault({ kind: 'fail', errno }, onlyThis(write));
        const error = await failureOf(s.prepare(win11));
        assert.equal(error.code, 'VH_KERNEL');
        assert.deepEqual(onward(s), [], 'it went on after the failure');
        assert.match(
          error.message,
          /^cannot (load|set|unbind|resize|bind) .*; guest "win11" is not started and everything is as it was$/,
        );
        if (write.operation === 'write') {
          assert.ok(error.message.includes(`: ${errno}`), error.message);
          assert.equal(error.errno, errno);
          assert.ok(
            error.message.includes(write.path.includes('/devices/') ? '0000:03:00.' : write.value.trim()),
          );
        }
        s.nothingDiffers();
      });
    }
    it(`is found out when it only says that it succeeded: ${shown(write)}`, async () => {
      const s = scenario(options);
      s.fault({ kind: 'lie' }, onlyThis(write));
      const error = await failureOf(s.prepare(win11));
      assert.equal(error.code, 'VH_KERNEL');
      assert.match(error.message, /: the kernel reported success, but .* and everything is as it was$/);
      s.nothingDiffers();
    });
  }

  for (const write of end) {
    const [errno] = errnos[write.path.split('/').at(-1)!]!;
    for (const effect of [{ kind: 'fail', errno: errno! }, { kind: 'lie' }] as const) {
      it(`at the end is reported, and recover finishes it: ${shown(write)}, ${effect.kind}`, async () => {
        const s = scenario(options);
        await s.prepare(win11);
        s.fault(effect, onlyThis(write));
        const error = await failureOf(s.release('win11'));
        assert.equal(error.code, 'VH_INCOMPLETE');
        assert.match(error.message, /^not everything of guest "win11" is given back: cannot /);
        assert.deepEqual(
          s.claims().map(({ state }) => state),
          ['incomplete'],
        );
        const [recovery] = await s.recover();
        assert.equal(recovery?.outcome, 'restored');
        s.nothingDiffers();
      });
    }
  }

  it('names every device that is not back, and keeps the claim as long as it goes on', async () => {
    const s = scenario(options);
    await s.prepare(win11);
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/bind', times: 'always' });
    const error = await failureOf(s.release('win11'));
    assert.match(
      error.message,
      /cannot bind 0000:03:00.0 to amdgpu: EIO .*; cannot bind 0000:03:00.1 to snd_hda_intel: EIO/,
    );
    assert.equal((await s.recover())[0]?.outcome, 'incomplete');
    s.happens({ do: 'clear-faults' });
    await s.release('win11');
    s.nothingDiffers();
  });

  it('does not keep the other devices of the guest from being given back', async () => {
    const s = scenario(options);
    await s.prepare(guest('win11', GPU, '0000:0f:00.3'));
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/amdgpu/bind' });
    await failureOf(s.release('win11'));
    assert.equal(s.driver('0000:0f:00.3'), 'xhci_hcd');
    assert.equal(s.driver('0000:03:00.1'), 'snd_hda_intel');
    assert.equal(s.driver(GPU), 'none');
    await s.recover();
    s.nothingDiffers();
  });

  it('says what could not be undone, and that recover retries it', async () => {
    const s = scenario(options);
    s.fault({ kind: 'fail', errno: 'EINVAL' }, { path: '*/vfio-pci/bind' });
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: '*/amdgpu/bind' });
    const error = await failureOf(s.prepare(win11));
    assert.match(
      error.message,
      /^cannot bind 0000:03:00.0 to vfio-pci: EINVAL .*; guest "win11" is not started$/,
    );
    assert.match(
      error.hints[0]!,
      /^not everything is back \(cannot bind 0000:03:00.0 to amdgpu: EIO .*\); retry with: vfio-hook recover$/,
    );
    assert.equal((await s.recover())[0]?.outcome, 'restored');
    s.nothingDiffers();
  });

  for (const rollback of ['weak', 'lost', 'full'] as const) {
    it(`tells that the kernel lost BARs when a resize found no room, roll-back ${rollback}`, async () => {
      const room = { start: 512 * 2 ** 30, size: 17 * 2 ** 30 };
      const s = scenario({
        machine: { resizeRollback: rollback, window: room },
        config: {
          ...defaultConfig,
          devices: [{ match: { by: 'class', word: 'vga' }, bars: new Map([[0, 32 * 2 ** 30]]) }],
        },
      });
      const error = await failureOf(s.prepare(win11));
      assert.equal(error.code, 'VH_KERNEL');
      if (rollback === 'full') {
        assert.match(
          error.message,
          /^cannot resize BAR 0 of 0000:03:00.0 from 16 GiB to 32 GiB: ENOSPC .* and everything is as it was$/,
        );
        s.nothingDiffers();
        return;
      }
      assert.match(
        error.message,
        /^cannot resize BAR 0 of 0000:03:00.0 from 16 GiB to 32 GiB: the kernel lost BAR .* over it \(ENOSPC/,
      );
      assert.ok(error.hints.some((hint) => hint.includes(`echo 1 > /sys/bus/pci/devices/${GPU}/remove`)));
    });
  }
});

describe('a kernel write that does not return', () => {
  const scenario = scenarios();

  for (const write of start.filter(({ operation }) => operation === 'write')) {
    it(`is left alone until it does: ${shown(write)}`, async () => {
      const s = scenario(options);
      s.machine.perform({ do: 'fault', rule: { id: 'hang', ...onlyThis(write), effect: { kind: 'hang' } } });
      const error = await failureOf(s.prepare(win11));
      assert.equal(error.code, 'VH_STUCK');
      assert.match(
        error.message,
        /: the kernel did not finish within 30 s \(process \d+ still waits in it\); guest "win11" is not started$/,
      );
      assert.deepEqual(
        s.claims().map(({ state, stuck }) => [state, stuck.length]),
        [['stuck', 1]],
      );
      const device = s.claims()[0]!.stuck[0]!.device;
      s.writes();

      for (const who of [win11, guest('other', GPU)]) {
        const refusal = await failureOf(s.prepare(who));
        assert.equal(refusal.code, 'VH_STUCK');
        assert.ok(
          refusal.message.startsWith(
            `${device ?? ''} cannot be touched: an earlier kernel write has not returned`,
          ),
          refusal.message,
        );
      }
      assert.equal((await s.recover())[0]?.outcome, 'incomplete');
      assert.equal((await failureOf(s.release('win11'))).code, 'VH_INCOMPLETE');
      assert.deepEqual(
        s.writes().filter((line) => line.includes(device!)),
        [],
        'the device is not touched',
      );

      s.happens({ do: 'release-fault', id: 'hang' });
      assert.equal((await s.recover())[0]?.outcome, 'restored');
      s.nothingDiffers();
    });
  }

  it('may be the loading of a module', async () => {
    const s = scenario(options);
    s.machine.perform({ do: 'fault', rule: { id: 'hang', on: 'load', effect: { kind: 'hang' } } });
    const error = await failureOf(s.prepare(win11));
    assert.equal(error.code, 'VH_STUCK');
    assert.match(error.message, /^cannot load module vfio-pci: the kernel did not finish within 30 s/);
    s.happens({ do: 'release-fault', id: 'hang' });
    await s.recover();
    s.nothingDiffers();
  });

  it('is known from the process alone, when its run died before it could record it', async () => {
    const s = scenario(options);
    s.machine.perform({
      do: 'fault',
      rule: { id: 'hang', path: '*/amdgpu/unbind', effect: { kind: 'hang' } },
    });
    s.machine.perform({
      do: 'fault',
      rule: { path: '*/amdgpu/unbind', effect: { kind: 'kill', when: 'after' } },
    });
    const stuckAndDead = s.prepare(win11);
    await assert.rejects(stuckAndDead);
    s.writes();
    for (const who of [win11, guest('other', GPU)]) {
      assert.equal((await failureOf(s.prepare(who))).code, 'VH_STUCK');
    }
    assert.deepEqual(s.writes(), []);
    s.happens({ do: 'release-fault', id: 'hang' });
    await s.release('win11');
    s.nothingDiffers();
  });

  it('at the end keeps its device, and the others are given back', async () => {
    const s = scenario(options);
    await s.prepare(guest('win11', GPU, '0000:0f:00.3'));
    s.machine.perform({
      do: 'fault',
      rule: { id: 'hang', path: '*/vfio-pci/unbind', value: GPU, effect: { kind: 'hang' } },
    });
    const error = await failureOf(s.release('win11'));
    assert.equal(error.code, 'VH_INCOMPLETE');
    assert.equal(s.driver('0000:0f:00.3'), 'xhci_hcd');
    assert.deepEqual(
      s.claims().map(({ state }) => state),
      ['stuck'],
    );
    s.happens({ do: 'release-fault', id: 'hang' });
    await s.release('win11');
    s.nothingDiffers();
  });

  for (const kernel of ['6.1', '6.12', '7.2'] as const) {
    it(`may be an unbind that waits for a program, which takes effect late, on Linux ${kernel}`, async () => {
      const s = scenario({ ...options, ...heldAllowed, machine: { kernel } });
      s.happens({ do: 'hold-node', path: '/dev/snd/controlC1', program: 'pipewire' });
      const error = await failureOf(s.prepare(win11));
      assert.match(
        error.message,
        /^cannot unbind 0000:03:00.1 from snd_hda_intel: the kernel did not finish within 30 s/,
      );
      assert.equal(s.driver('0000:03:00.1'), 'leaving');
      assert.equal(s.driver(GPU), 'amdgpu');
      assert.equal((await failureOf(s.prepare(win11))).code, 'VH_STUCK');
      s.happens({ do: 'release-node', path: '/dev/snd/controlC1' });
      assert.equal(s.driver('0000:03:00.1'), 'none');
      await s.recover();
      s.nothingDiffers();
    });
  }

  it('does not keep a guest on another group from starting', async () => {
    const s = scenario(options);
    s.machine.perform({
      do: 'fault',
      rule: { id: 'hang', path: '*/amdgpu/unbind', effect: { kind: 'hang' } },
    });
    await failureOf(s.prepare(win11));
    await s.prepare(guest('other', '0000:0f:00.3'));
    assert.equal(s.driver('0000:0f:00.3'), 'vfio-pci');
  });
});
