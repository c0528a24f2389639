import assert from 'node:assert/strict';
import type { Config, VgpuRule } from '../../src/config/config.ts';
import {
  dieBefore,
  failureOf,
  guest,
  pci,
  scenarios,
  type Scenario,
  type ScenarioOptions,
} from '../scenario.ts';

const CARD = '0000:41:00.0';
const VF = '0000:41:00.4';
const NEXT = '0000:41:00.5';
const type = (address: string): string => `/sys/bus/pci/devices/${address}/nvidia/current_vgpu_type`;
const written = (address: string, id: number): string => `${address}/nvidia/current_vgpu_type < ${id}`;

describe('vGPUs on virtual functions that stay on the driver nvidia', () => {
  const open = scenarios();

  function server(...rules: readonly Partial<VgpuRule>[]): Scenario {
    return open({ host: 'nvidia-vgpu-server', vfioLoaded: true, config: { vgpu: rulesOf(rules) } });
  }
  const rulesOf = (rules: readonly Partial<VgpuRule>[]): Config['vgpu'] =>
    rules.map((rule) => ({ vf: pci(VF), type: 1152, ...rule }));

  it('are made at the start, and gone at the end; nothing is bound', async () => {
    const on = server({});
    await on.prepare(guest('a', VF));
    assert.deepEqual(on.writes(), [written(VF, 1152)]);
    assert.equal(on.driver(VF), 'nvidia');
    const [claim] = on.claims();
    assert.deepEqual(claim?.holds, [
      {
        kind: 'vgpu',
        key: VF,
        original: { type: 0 },
        wish: { type: 1152, name: 'NVIDIA L40S-8Q', params: '' },
      },
    ]);
    assert.deepEqual(
      claim.devices.map(({ address, driver, original }) => [address, driver, original.driver]),
      [[VF, undefined, 'nvidia']],
    );
    on.happens({ do: 'open-group', devices: [VF], guest: 'a' }, { do: 'close-group', guest: 'a' });
    await on.release('a');
    assert.deepEqual(on.writes(), [written(VF, 0)]);
    on.nothingDiffers();
  });

  it('are found by name, with or without the maker in front', async () => {
    for (const name of ['NVIDIA L40S-12Q', 'l40s-12q']) {
      const on = server({ type: name });
      await on.prepare(guest('a', VF));
      assert.deepEqual(on.writes(), [written(VF, 1153)]);
      // A start that is repeated finds its own type, which no list has any more.
      await on.prepare(guest('a', VF));
      assert.deepEqual(on.writes(), []);
      await on.release('a');
      on.nothingDiffers();
    }
  });

  it('get their parameters after the type, and before the guest', async () => {
    const on = server({ params: 'frame_rate_limiter=0,disable_vnc=1' });
    await on.prepare(guest('a', VF));
    assert.deepEqual(on.writes(), [
      written(VF, 1152),
      `${VF}/nvidia/vgpu_params < frame_rate_limiter=0,disable_vnc=1`,
    ]);
    await on.prepare(guest('a', VF));
    assert.deepEqual(on.writes(), []);
    await on.release('a');
    on.nothingDiffers();
  });

  it('whose parameters the driver does not take are gone again', async () => {
    const on = server({ params: 'a=1' });
    on.fault({ kind: 'fail', errno: 'EINVAL' }, { path: '*/vgpu_params' });
    const { message } = await failureOf(on.prepare(guest('a', VF)));
    assert.match(
      message,
      /^cannot set vGPU parameters of 0000:41:00.4 to a=1: EINVAL \(the driver does not know/,
    );
    on.nothingDiffers();
  });

  it('auto is the one that no other rule names', async () => {
    const on = server({ vf: 'auto' }, { vf: pci(NEXT), type: 1152 });
    await on.prepare(guest('a', VF, NEXT));
    assert.deepEqual(on.writes().sort(), [written(VF, 1152), written(NEXT, 1152)]);
    await on.release('a');
    on.nothingDiffers();
  });

  it('auto is for no guest without such a function, and of the card that it names', async () => {
    const on = server({ vf: 'auto', pf: pci('0000:61:00.0') });
    const { message, hints } = await failureOf(on.prepare(guest('a', VF)));
    assert.match(message, /^cannot give 0000:41:00.4 to guest "a": there is no vGPU on it/);
    assert.ok(hints.some(({ text }) => text.includes(`vgpu: [{ vf: "${VF}", type: … }]`)));
    on.nothingDiffers();
  });

  it('auto is not for several', async () => {
    const on = server({ vf: 'auto' });
    const { code, message } = await failureOf(on.prepare(guest('a', VF, NEXT)));
    assert.equal(code, 'VH_CONFIG');
    assert.match(message, /the guest is assigned 2 that no rule names: 0000:41:00.4, 0000:41:00.5$/);
    on.nothingDiffers();
  });

  it('are refused where the XML is managed, since libvirt would break them', async () => {
    const on = server({});
    const managed = { kind: 'pci', address: pci(VF), managed: true } as const;
    const { code, message, hints } = await failureOf(on.prepare(guest('a', managed)));
    assert.equal(code, 'VH_REFUSED');
    assert.match(message, /its XML says managed='yes': libvirt would take it from nvidia/);
    assert.equal(hints[0]?.text, `write managed='no' into the <hostdev> of ${VF}`);
    assert.deepEqual(on.writes(), []);
    on.nothingDiffers();
  });

  it('are one guest’s', async () => {
    const on = server({});
    await on.prepare(guest('a', VF));
    on.writes();
    const { message } = await failureOf(on.prepare(guest('b', VF)));
    assert.match(message, /guest "b" cannot have the vGPU on 0000:41:00.4: guest "a" has it$/);
    // libvirt calls for the end of a start that was refused, too.
    await on.release('b');
    assert.deepEqual(on.writes(), []);
    await on.release('a');
    on.nothingDiffers();
  });

  it('of other sizes are refused with what the card has, and whose it is', async () => {
    const on = server({}, { vf: pci(NEXT), type: 'NVIDIA L40S-12Q' });
    await on.prepare(guest('a', VF));
    const { message, hints } = await failureOf(on.prepare(guest('b', NEXT)));
    assert.equal(
      message,
      'guest "b" cannot have the vGPU on 0000:41:00.5: 0000:41:00.5 cannot be NVIDIA L40S-12Q now: it can be NVIDIA L40S-8Q; the card has 0000:41:00.4 is type 1152 (NVIDIA L40S-8Q), of guest "a"',
    );
    assert.ok(hints.some(({ text }) => text.includes('nvidia-smi vgpu -shm 1')));
    await on.release('a');
    on.nothingDiffers();
  });

  it('are refused where the card is full', async () => {
    const on = server({ type: 1155 }, { vf: pci(NEXT), type: 1155 }, { vf: pci('0000:41:00.6'), type: 1155 });
    await on.prepare(guest('a', VF));
    await on.prepare(guest('b', NEXT));
    on.writes();
    const { message } = await failureOf(on.prepare(guest('c', '0000:41:00.6')));
    assert.match(
      message,
      /its card 0000:41:00.0 is full: 0000:41:00.4 is type 1155 \(NVIDIA L40S-24Q\), of guest "a", 0000:41:00.5 is .* of guest "b"$/,
    );
    assert.deepEqual(on.writes(), []);
    await on.release('a');
    await on.release('b');
    on.nothingDiffers();
  });

  it('that the card does not make after all leave everything as it was, with the place of the reason', async () => {
    const on = server({});
    on.fault({ kind: 'fail', errno: 'EIO' }, { path: type(VF) });
    const { code, message, hints } = await failureOf(on.prepare(guest('a', VF)));
    assert.equal(code, 'VH_KERNEL');
    assert.match(
      message,
      /cannot set vGPU type of 0000:41:00.4 to 1152: EIO \(the card cannot make this type now/,
    );
    assert.ok(hints.some(({ text }) => text.includes('journalctl -b -u nvidia-vgpu-mgr')));
    on.nothingDiffers();
  });

  it('of the administrator stay when they are what is wanted', async () => {
    const on = server({});
    await on.byHand(type(VF), '1152');
    const before = on.observation();
    await on.prepare(guest('a', VF));
    await on.release('a');
    assert.deepEqual(on.writes(), []);
    on.nothingDiffers(before);
  });

  it('need no rule where the administrator has made one', async () => {
    const on = server();
    await on.byHand(type(VF), '1152');
    const before = on.observation();
    await on.prepare(guest('a', VF));
    await on.release('a');
    assert.deepEqual(on.writes(), []);
    on.nothingDiffers(before);
  });

  it('of the administrator that nobody has become others by way of none, and come back', async () => {
    const on = server({});
    await on.byHand(type(VF), '1147');
    const before = on.observation();
    await on.prepare(guest('a', VF));
    assert.deepEqual(on.writes(), [written(VF, 0), written(VF, 1152)]);
    await on.release('a');
    assert.deepEqual(on.writes(), [written(VF, 0), written(VF, 1147)]);
    on.nothingDiffers(before);
  });

  it('of the administrator that somebody has stay', async () => {
    const on = server({});
    await on.byHand(type(VF), '1147');
    const before = on.observation();
    on.happens({ do: 'open-group', devices: [VF], guest: 'stranger', pid: 4711 });
    const { message } = await failureOf(on.prepare(guest('a', VF)));
    assert.match(message, /0000:41:00.4 is open in guest "stranger" \(pid 4711\)$/);
    assert.deepEqual(on.writes(), []);
    on.happens({ do: 'close-group', guest: 'stranger' });
    on.nothingDiffers(before);
  });

  it('go patiently: while the driver is not done with the guest, it is asked again', async () => {
    const on = server({});
    await on.prepare(guest('a', VF));
    on.fault({ kind: 'fail', errno: 'EPERM' }, { path: type(VF), times: 3 });
    on.writes();
    await on.release('a');
    assert.deepEqual(on.writes(), [...Array<string>(3).fill(`${written(VF, 0)} (EPERM)`), written(VF, 0)]);
    on.nothingDiffers();
  });

  it('that do not go in ten times are left to recover', async () => {
    const on = server({});
    await on.prepare(guest('a', VF));
    on.fault({ kind: 'fail', errno: 'EPERM' }, { path: type(VF), times: 'always' });
    on.writes();
    const { code, message } = await failureOf(on.release('a'));
    assert.equal(code, 'VH_INCOMPLETE');
    assert.match(message, /EPERM \(the driver is not done with the guest that had it\)/);
    assert.equal(on.writes().length, 10);
    on.happens({ do: 'clear-faults' });
    await on.recover();
    on.nothingDiffers();
  });

  it('are left while their guest has them open', async () => {
    const on = server({});
    await on.prepare(guest('a', VF));
    on.happens({ do: 'open-group', devices: [VF], guest: 'a', pid: 4711 });
    on.writes();
    const { code } = await failureOf(on.release('a'));
    assert.equal(code, 'VH_BUSY');
    assert.deepEqual(on.writes(), []);
    on.happens({ do: 'close-group', guest: 'a' });
    on.time.now += 600_000;
    await on.recover();
    on.nothingDiffers();
  });

  it('that somebody has made something else meanwhile stay, and are named', async () => {
    const on = server({});
    await on.prepare(guest('a', VF));
    await on.byHand(type(VF), '0');
    await on.byHand(type(VF), '1147');
    on.writes();
    await on.release('a');
    assert.deepEqual(on.writes(), []);
    assert.ok(on.log.some(({ message }) => message.includes('somebody else has made it type 1147')));
    assert.deepEqual(on.claims(), []);
  });

  it('are given back by recover after a death at any write', async () => {
    for (const first of ['0', '1147']) {
      for (let nth = 0; nth < 6; nth += 1) {
        const on = server({ params: 'a=1' });
        if (first !== '0') await on.byHand(type(VF), first);
        const before = on.observation();
        const live = dieBefore(on, nth);
        await on.prepare(guest('a', VF)).catch(() => undefined);
        await on.release('a').catch(() => undefined);
        live();
        await on.recover();
        on.nothingDiffers(before);
      }
    }
  });

  it('that an earlier start wanted otherwise are made anew', async () => {
    const on = server({});
    on.wrapHost = (host) => ({
      ...host,
      write: async (...args) => {
        const result = await host.write(...args);
        host.die();
        return result;
      },
    });
    await on.prepare(guest('a', VF)).catch(() => undefined);
    on.wrapHost = (host) => host;
    on.config = { ...on.config, vgpu: rulesOf([{ type: 1147 }]) };
    on.writes();
    await on.prepare(guest('a', VF));
    assert.deepEqual(on.writes(), [written(VF, 0), written(VF, 1147)]);
    await on.release('a');
    on.nothingDiffers();
  });

  it('are never where the function is no such one', async () => {
    const on = open({ host: 'sriov-nic', config: { vgpu: rulesOf([{ vf: pci('0000:17:02.0') }]) } });
    const { message } = await failureOf(on.prepare(guest('a', '0000:17:02.0')));
    assert.match(message, /0000:17:02.0 is no virtual function that stays on NVIDIA's driver/);
    on.nothingDiffers();
  });

  it('keep a person from taking their function off its driver', async () => {
    const on = server();
    const detachment = await on.detach([VF], { driver: 'pci-stub' });
    assert.deepEqual(
      detachment.plan.verdicts.map(({ kind, ...rest }) => [kind, 'code' in rest && rest.code]),
      [['refuse', 'vgpu']],
    );
    assert.equal(on.driver(VF), 'nvidia');
    assert.equal(on.driver(CARD), 'nvidia');
  });
});

describe('virtual functions that sriov-manage makes', () => {
  const open = scenarios();
  const SECOND = pci('0000:61:00.0');
  const FIRST_VF = pci('0000:61:00.4');
  const OTHER_VF = pci('0000:61:01.3');

  function server(
    config: Partial<Config> = {},
    devicesOfHost: ScenarioOptions['devicesOfHost'] = {},
  ): Scenario {
    return open({
      host: 'nvidia-vgpu-server',
      vfioLoaded: true,
      devicesOfHost,
      config: {
        sriov: [{ pf: SECOND, vfs: 'all', autoprobe: false }],
        vgpu: [
          { vf: FIRST_VF, type: 1152 },
          { vf: OTHER_VF, type: 1152 },
        ],
        ...config,
      },
    });
  }

  it('are there for two guests with their vGPUs, and gone with the last', async () => {
    const on = server();
    await on.prepare(guest('a', FIRST_VF));
    assert.deepEqual(on.writes(), ['sriov-manage -e 0000:61:00.0', written(FIRST_VF, 1152)]);
    assert.deepEqual([on.driver(FIRST_VF), on.driver(OTHER_VF)], ['nvidia', 'nvidia']);
    await on.prepare(guest('b', OTHER_VF));
    assert.deepEqual(on.writes(), [written(OTHER_VF, 1152)]);
    await on.release('a');
    assert.deepEqual(on.writes(), [written(FIRST_VF, 0)]);
    await on.release('b');
    assert.deepEqual(on.writes(), [written(OTHER_VF, 0), 'sriov-manage -d 0000:61:00.0']);
    on.nothingDiffers();
  });

  it('are all or none', async () => {
    const on = server({ sriov: [{ pf: SECOND, vfs: 4, autoprobe: false }] });
    const { message, hints } = await failureOf(on.prepare(guest('a', FIRST_VF)));
    assert.match(
      message,
      /virtual functions of 0000:61:00.0: sriov-manage makes all 32 of them, and 4 are wanted$/,
    );
    assert.ok(hints.some(({ text }) => text.includes('vfs: all')));
    on.nothingDiffers();
  });

  it('are none while somebody has the card open', async () => {
    const on = server();
    on.happens({ do: 'hold-node', path: '/dev/nvidia1', program: 'dcgm-exporter' });
    const { message, hints } = await failureOf(on.prepare(guest('a', FIRST_VF)));
    assert.match(
      message,
      /^cannot make all virtual functions of 0000:61:00.0: somebody has the card open, or there is a vGPU on it \(sriov-manage: "Cannot obtain unbindLock for 0000:61:00.0"\)/,
    );
    assert.ok(hints.some(({ text }) => text.includes('dcgm-exporter')));
    on.nothingDiffers();
  });

  it('take a name that a card of the same model tells before they are there', async () => {
    const on = server({ vgpu: [{ vf: FIRST_VF, type: 'L40S-8Q' }] });
    await on.prepare(guest('a', FIRST_VF));
    assert.deepEqual(on.writes(), ['sriov-manage -e 0000:61:00.0', written(FIRST_VF, 1152)]);
    const wishes = on
      .claims()
      .flatMap(({ holds }) => holds.flatMap((hold) => (hold.kind === 'vgpu' ? [hold.wish] : [])));
    assert.deepEqual(wishes, [{ type: 1152, name: 'NVIDIA L40S-8Q', params: '' }]);
    await on.release('a');
    on.nothingDiffers();
  });

  it('take a name that a claim has, where the other card is full', async () => {
    const on = server({
      vgpu: [
        { vf: pci(VF), type: 'L40S-48Q' },
        { vf: FIRST_VF, type: 'L40S-48Q' },
      ],
    });
    await on.prepare(guest('a', VF));
    await on.prepare(guest('b', FIRST_VF));
    assert.equal(on.fact(`${FIRST_VF} vgpu type`), '1156');
    await on.release('a');
    await on.release('b');
    on.nothingDiffers();
  });

  it('are not there by a name that nothing tells: nothing is made to find out', async () => {
    const unknown =
      /the vGPU on 0000:61:00.4: it is not there yet, and nothing that is there tells the number of (\S+)$/;
    const vgpu = (type: string): Partial<Config> => ({ vgpu: [{ vf: FIRST_VF, type }] });
    const misspelt = server(vgpu('L40S-9Q'));
    assert.match((await failureOf(misspelt.prepare(guest('a', FIRST_VF)))).message, unknown);

    const alone = server(vgpu('L40S-8Q'), { [CARD]: { device: '26ba' } });
    const { message, hints } = await failureOf(alone.prepare(guest('a', FIRST_VF)));
    assert.match(message, unknown);
    assert.ok(hints.some(({ text }) => text.includes('sriov-manage -e 0000:61:00.0')));
    for (const on of [misspelt, alone]) {
      assert.deepEqual(on.writes(), []);
      on.nothingDiffers();
    }
  });

  it('go by a number while the driver of the other card does not answer', async () => {
    const on = server();
    on.wrapHost = (host) => ({
      ...host,
      readSlow: (path, ...more) =>
        path.endsWith('/creatable_vgpu_types') && path.includes('0000:41:')
          ? Promise.resolve({ kind: 'stuck', path })
          : host.readSlow(path, ...more),
    });
    await on.prepare(guest('a', FIRST_VF));
    assert.equal(on.fact(`${FIRST_VF} vgpu type`), '1152');
    await on.release('a');
    on.nothingDiffers();
  });

  it('without a rule for their vGPU are refused before they are made', async () => {
    const on = server({ vgpu: [] });
    const { message } = await failureOf(on.prepare(guest('a', FIRST_VF)));
    assert.match(message, /there is no vGPU on it/);
    assert.deepEqual(on.writes(), []);
  });

  it('go again when their vGPU cannot be made', async () => {
    const on = server();
    on.fault({ kind: 'fail', errno: 'EIO' }, { path: type(FIRST_VF) });
    await failureOf(on.prepare(guest('a', FIRST_VF)));
    on.nothingDiffers();
  });

  it('need the program', async () => {
    const on = server();
    on.machine.store.update((state) => {
      state.spec = { ...state.spec, files: {} };
    });
    const { message } = await failureOf(on.prepare(guest('a', FIRST_VF)));
    assert.match(message, /there is no program \/usr\/lib\/nvidia\/sriov-manage/);
    on.nothingDiffers();
  });

  it('that are made by a program that hangs are nobody’s until it ends', async () => {
    const on = server();
    on.machine.perform({
      do: 'fault',
      rule: { id: 'slow', on: 'run', path: 'sriov-manage', effect: { kind: 'hang' } },
    });
    const { code } = await failureOf(on.prepare(guest('a', FIRST_VF)));
    assert.equal(code, 'VH_STUCK');
    assert.equal((await failureOf(on.prepare(guest('b', OTHER_VF)))).code, 'VH_STUCK');
    on.happens({ do: 'release-fault', id: 'slow' });
    await on.recover();
    on.nothingDiffers();
  });

  it('are given back by recover after a death before and after any step', async () => {
    for (const when of ['before', 'after'] as const) {
      for (let nth = 1; nth < 8; nth += 1) {
        const on = server();
        let steps = 0;
        on.wrapHost = (host) => {
          const counted = async <T>(action: () => Promise<T>): Promise<T> => {
            const dies = ++steps === nth;
            if (dies && when === 'before') host.die();
            const result = await action();
            if (dies) host.die();
            return result;
          };
          return {
            ...host,
            write: (...args) => counted(() => host.write(...args)),
            run: (...args) => counted(() => host.run(...args)),
          };
        };
        await on.prepare(guest('a', FIRST_VF)).catch(() => undefined);
        await on.release('a').catch(() => undefined);
        on.wrapHost = (host) => host;
        await on.recover();
        on.nothingDiffers();
      }
    }
  });
});

describe('a card of a vGPU host that is taken from its driver', () => {
  const open = scenarios();
  const SECOND = '0000:61:00.0';
  const lock = `/proc/driver/nvidia/gpus/${SECOND}/unbindLock`;

  it('is asked for its unbind lock first', async () => {
    const on = open({ host: 'nvidia-vgpu-server', vfioLoaded: true });
    await on.prepare(guest('a', SECOND));
    assert.deepEqual(on.writes(), [
      `${SECOND}/driver_override < vfio-pci`,
      `${lock} < 1`,
      `nvidia/unbind < ${SECOND}`,
      `vfio-pci/bind < ${SECOND}`,
    ]);
    await on.release('a');
    on.nothingDiffers();
  });

  it('stays with it when somebody has it open whom nobody sees, and is not waited for', async () => {
    const on = open({ host: 'nvidia-vgpu-server', vfioLoaded: true });
    on.happens({ do: 'hold-node', path: '/dev/nvidia1', program: 'nv-hostengine' });
    on.wrapHost = (host) => ({ ...host, holders: () => [], openFiles: () => ({ holders: [], unseen: [] }) });
    const { code, message } = await failureOf(on.prepare(guest('a', SECOND)));
    assert.equal(code, 'VH_KERNEL');
    assert.match(
      message,
      /^cannot set unbind lock of 0000:61:00.0 to 1: .*somebody has the card open: nvidia-persistenced/,
    );
    assert.ok(!on.writes().some((write) => write.includes('unbind <')));
    on.wrapHost = (host) => host;
    on.nothingDiffers();
    assert.equal(on.machine.host().read(lock), '0\n');
  });

  it('can be opened again when it does not come to that', async () => {
    for (const how of ['fails', 'dies'] as const) {
      const on = open({ host: 'nvidia-vgpu-server', vfioLoaded: true });
      on.wrapHost = (host) => ({
        ...host,
        write: (path, ...rest) => {
          if (!path.endsWith('nvidia/unbind')) return host.write(path, ...rest);
          if (how === 'dies') host.die();
          return Promise.resolve({ kind: 'refused', errno: 'EIO' });
        },
      });
      await on.prepare(guest('a', SECOND)).catch(() => undefined);
      on.wrapHost = (host) => host;
      await on.recover();
      assert.equal(on.machine.host().read(lock), '0\n', how);
      on.nothingDiffers();
    }
  });
});
