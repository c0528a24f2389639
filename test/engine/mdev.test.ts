import assert from 'node:assert/strict';
import type { Engine } from '../../src/engine/engine.ts';
import { prepare } from '../../src/engine/prepare.ts';
import { release } from '../../src/engine/release.ts';
import type { Config, MdevRule } from '../../src/config/config.ts';
import type { Hostdev } from '../../src/domain/domain.ts';
import { failureOf, guest, pci, scenarios, type Scenario } from '../scenario.ts';

const [UUID, OTHER] = [
  '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001',
  '83b8f4f2-509f-382f-3c1e-e6bfe0fa1002',
] as const;
const IGPU = '0000:00:02.0';
const [VF0, VF1, VF2] = ['0000:41:00.4', '0000:41:00.5', '0000:41:00.6'] as const;

const slice = (uuid: string, model?: string): Hostdev => ({
  kind: 'mdev',
  uuid,
  managed: false,
  ...(model !== undefined && { model }),
});
const rule = (
  uuid: string,
  parent: string,
  type: string,
  ...attributes: MdevRule['attributes']
): MdevRule => ({
  uuid,
  parent,
  type,
  attributes,
});
const typeFile = (parent: string, type: string, file: string): string =>
  `/sys/class/mdev_bus/${parent}/mdev_supported_types/${type}/${file}`;
const create = (parent: string, type: string, uuid: string): string =>
  `${typeFile(parent, type, 'create')} < ${uuid}`;
const remove = (uuid: string): string => `/sys/bus/mdev/devices/${uuid}/remove`;
const found = (on: Scenario, uuid: string = UUID): string | undefined => on.fact(`mediated device ${uuid}`);

describe('mediated devices of GVT-g that a start makes', () => {
  const open = scenarios();

  function desktop(...mdev: readonly MdevRule[]): Scenario {
    return open({ host: 'intel-gvt-g', config: { mdev: mdev.length > 0 ? mdev : [SMALL] } });
  }
  const SMALL = rule(UUID, 'auto', 'GVTg_V5_4');

  it('are there for the guest, and gone with it', async () => {
    const on = desktop();
    await on.prepare(guest('a', slice(UUID)));
    assert.deepEqual(on.writes(), ['load kvmgt', create(IGPU, 'i915-GVTg_V5_4', UUID)]);
    assert.equal(found(on), `i915-GVTg_V5_4 on ${IGPU}`);
    await on.release('a');
    assert.deepEqual(on.writes(), [`${remove(UUID)} < 1`]);
    on.nothingDiffers();
  });

  it('belong to the claim, with the parent that was chosen', async () => {
    const on = desktop();
    await on.prepare(guest('a', slice(UUID, 'vfio-pci')));
    assert.deepEqual(on.claims()[0]?.holds, [
      {
        kind: 'mdev',
        key: UUID,
        original: { parent: '', type: '' },
        wish: { parent: IGPU, type: 'i915-GVTg_V5_4', attributes: '[]', api: 'vfio-pci' },
      },
    ]);
  });

  it('are for two guests, each its own, as long as there is room', async () => {
    const on = desktop(SMALL, rule(OTHER, IGPU, 'i915-GVTg_V5_2'));
    await on.prepare(guest('a', slice(UUID)));
    await on.prepare(guest('b', slice(OTHER)));
    assert.equal(found(on, OTHER), `i915-GVTg_V5_2 on ${IGPU}`);
    const third = OTHER.replace(/2$/, '3');
    on.config = { ...on.config, mdev: [rule(third, IGPU, 'GVTg_V5_8')] };
    const { code, message } = await failureOf(on.prepare(guest('c', slice(third))));
    assert.equal(code, 'VH_REFUSED');
    assert.ok(
      message.endsWith(
        `${IGPU} has no room for one more of type i915-GVTg_V5_8: there is ${UUID} of guest "a", ${OTHER} of guest "b"`,
      ),
      message,
    );
    await on.release('b');
    assert.equal(found(on), `i915-GVTg_V5_4 on ${IGPU}`);
    await on.release('a');
    on.nothingDiffers();
  });

  it('are one guest’s: another one with the same UUID is refused, and its end takes nothing away', async () => {
    const on = desktop();
    await on.prepare(guest('a', slice(UUID)));
    const { message } = await failureOf(on.prepare(guest('b', slice(UUID))));
    assert.match(message, /^guest "b" cannot have mediated device .*: guest "a" has it$/);
    on.happens({ do: 'open-group', devices: [], mdevs: [UUID], guest: 'a' });
    const { message: later } = await failureOf(on.prepare(guest('b', slice(UUID))));
    assert.match(later, /^guest "b" cannot have mediated device .*: it is open in guest "a"/);
    // libvirt calls release for a start that the hook has refused as well.
    await on.release('b');
    assert.equal(found(on), `i915-GVTg_V5_4 on ${IGPU}`);
    on.happens({ do: 'close-group', guest: 'a' });
    await on.release('a');
    on.nothingDiffers();
  });

  it('are not removed while somebody has them open', async () => {
    const on = desktop();
    await on.prepare(guest('a', slice(UUID)));
    on.happens({ do: 'open-group', devices: [], mdevs: [UUID], guest: 'a' });
    on.writes();
    const { code, message } = await failureOf(on.release('a'));
    assert.equal(code, 'VH_BUSY');
    assert.match(message, /IOMMU group 6 is open in guest "a"/);
    const [recovery] = await on.recover();
    assert.deepEqual([recovery?.outcome, on.writes()], ['left', []]);
    on.happens({ do: 'close-group', guest: 'a' });
    on.time.now += 120_000;
    await on.recover();
    on.nothingDiffers();
  });

  it('are not removed when somebody opens them in the last moment', async () => {
    const on = desktop();
    await on.prepare(guest('a', slice(UUID)));
    let looks = 0;
    on.wrapHost = (real) => ({
      ...real,
      tryOpen: (path) => {
        // After the looks of the way back and of its plan.
        if (path === '/dev/vfio/6' && ++looks === 3)
          on.machine.perform({ do: 'open-group', devices: [], mdevs: [UUID], guest: 'other' });
        return real.tryOpen(path);
      },
    });
    on.writes();
    const { code, message } = await failureOf(on.release('a'));
    assert.equal(code, 'VH_INCOMPLETE');
    assert.match(message, /cannot remove mediated device .*: it is open in guest "other"/);
    assert.deepEqual(on.writes(), []);
    on.wrapHost = (real) => real;
    on.happens({ do: 'close-group', guest: 'other' });
    await on.recover();
    on.nothingDiffers();
  });

  it('that are there already are the administrator’s, and stay', async () => {
    const on = desktop();
    on.happens({ do: 'load', module: 'kvmgt' });
    await on.byHand(typeFile(IGPU, 'i915-GVTg_V5_4', 'create'), UUID);
    const before = on.observation();
    on.writes();
    await on.prepare(guest('a', slice(UUID)));
    await on.release('a');
    assert.deepEqual(on.writes(), []);
    on.nothingDiffers(before);
  });

  it('that are there as something else are refused', async () => {
    const on = desktop();
    on.happens({ do: 'load', module: 'kvmgt' });
    await on.byHand(typeFile(IGPU, 'i915-GVTg_V5_8', 'create'), UUID);
    const { code, message } = await failureOf(on.prepare(guest('a', slice(UUID))));
    assert.equal(code, 'VH_REFUSED');
    assert.match(
      message,
      /it is there already, as i915-GVTg_V5_8 on 0000:00:02.0, and GVTg_V5_4 on auto is wanted$/,
    );
    assert.equal(found(on), `i915-GVTg_V5_8 on ${IGPU}`);
  });

  it('that are there and open in something else are refused, and nothing is claimed', async () => {
    const on = desktop();
    on.happens({ do: 'load', module: 'kvmgt' });
    await on.byHand(typeFile(IGPU, 'i915-GVTg_V5_4', 'create'), UUID);
    on.happens({ do: 'open-group', devices: [], mdevs: [UUID], guest: 'other', pid: 4711 });
    const before = on.observation();
    const { message } = await failureOf(on.prepare(guest('a', slice(UUID))));
    assert.match(message, /mediated device .*: it is open in guest "other" \(pid 4711\)$/);
    on.nothingDiffers(before);
  });

  it('that nobody has configured are held as they are, so that others learn who has them', async () => {
    const on = desktop();
    on.config = { ...on.config, mdev: [] };
    on.happens({ do: 'load', module: 'kvmgt' });
    await on.byHand(typeFile(IGPU, 'i915-GVTg_V5_8', 'create'), UUID);
    const before = on.observation();
    on.writes();
    await on.prepare(guest('a', slice(UUID)));
    assert.equal(on.claims().length, 1);
    const { message } = await failureOf(on.prepare(guest('b', slice(UUID))));
    assert.match(message, /guest "a" has it$/);
    await on.release('a');
    assert.deepEqual(on.writes(), []);
    on.nothingDiffers(before);
  });

  it('of which nobody knows anything are left to libvirt', async () => {
    const on = desktop(rule(OTHER, 'auto', 'GVTg_V5_4'));
    await on.prepare(guest('a', slice(UUID)));
    on.nothingDiffers();
  });

  it('go again when the second of a guest cannot be made', async () => {
    const on = desktop(SMALL, rule(OTHER, 'auto', 'GVTg_V5_2'));
    on.fault({ kind: 'fail', errno: 'ENOSPC' }, { path: typeFile(IGPU, 'i915-GVTg_V5_2', 'create') });
    const { message } = await failureOf(on.prepare(guest('a', slice(UUID), slice(OTHER))));
    assert.match(message, /ENOSPC .*has no room.*; guest "a" is not started and everything is as it was$/);
    on.nothingDiffers();
  });

  it('are not made when a device of the guest is refused', async () => {
    const on = desktop();
    const { code } = await failureOf(on.prepare(guest('a', slice(UUID), '0000:01:00.0')));
    assert.equal(code, 'VH_REFUSED');
    assert.deepEqual(on.writes(), []);
    on.nothingDiffers();
  });

  it('are gone again when a device of the guest does not move', async () => {
    const on = desktop();
    on.fault({ kind: 'fail', errno: 'EIO' }, { path: '/sys/bus/pci/drivers/vfio-pci/bind' });
    const config = { allow: ['last-keyboard' as const], bars: new Map<number, number>() };
    on.config = {
      ...on.config,
      devices: [{ match: { by: 'address', address: pci('0000:00:14.0') }, ...config }],
    };
    const { message } = await failureOf(on.prepare(guest('a', slice(UUID), '0000:00:14.0')));
    assert.match(message, /EIO .*everything is as it was$/);
    assert.ok(on.writes().some((write) => write.includes('/create')));
    on.nothingDiffers();
  });

  it('are of a card that no guest takes away meanwhile', async () => {
    const on = desktop();
    await on.prepare(guest('a', slice(UUID)));
    on.writes();
    const { code, message } = await failureOf(on.prepare(guest('b', IGPU)));
    assert.equal(code, 'VH_BUSY');
    assert.equal(
      message,
      `cannot give ${IGPU} to guest "b": mediated device ${UUID} was made of it, which guest "a" has`,
    );
    const { plan } = await on.detach([IGPU]);
    assert.deepEqual(
      plan.verdicts.map((verdict) => verdict.reason),
      [`mediated device ${UUID} was made of it, which guest "a" has`],
    );
    assert.deepEqual(on.writes(), []);
    await on.release('a');
    on.nothingDiffers();
  });

  it('may be made of a card while another start waits to take it', async () => {
    const on = desktop();
    on.happens({ do: 'load', module: 'kvmgt' });
    const rule = { match: { by: 'address' as const, address: pci(IGPU) }, bars: new Map<number, number>() };
    on.config = { ...on.config, devices: [{ ...rule, allow: ['boot-vga', 'console'] }] };
    const none = on.save();
    await on.prepare(guest('a', slice(UUID)));
    const made = on.save();
    none();
    const takeLock: Engine['takeLock'] = (name) => {
      if ('shared' in name && name.shared === 'mediated devices') made();
      return () => undefined;
    };
    const { message } = await failureOf(prepare({ ...on.engine(), takeLock }, guest('b', IGPU)));
    assert.match(message, /which guest "a" has$/);
    assert.equal(on.driver(IGPU), 'i915');
  });

  it('are not both in one guest with their card', async () => {
    const on = desktop();
    const { message } = await failureOf(on.prepare(guest('a', slice(UUID), IGPU)));
    assert.match(message, /mediated device .* was made of it$/);
    assert.deepEqual(on.writes(), []);
    on.nothingDiffers();
  });

  it('are made anew after a start that died, as it was wanted then', async () => {
    for (const died of ['create', 'claim']) {
      const on = desktop();
      await dies(on, died);
      on.config = { ...on.config, mdev: [rule(UUID, IGPU, 'i915-GVTg_V5_2')] };
      await on.prepare(guest('a', slice(UUID)));
      assert.equal(found(on), `i915-GVTg_V5_2 on ${IGPU}`);
      await on.release('a');
      on.nothingDiffers();
    }
  });

  it('are given back by recover after a death at any write', async () => {
    for (let nth = 0; nth < 8; nth += 1) {
      const on = desktop(SMALL, rule(OTHER, IGPU, 'GVTg_V5_8'));
      let writes = 0;
      on.wrapHost = (real) => ({
        ...real,
        write: (...args) => {
          if (writes++ === nth) real.die();
          return real.write(...args);
        },
      });
      await on.prepare(guest('a', slice(UUID), slice(OTHER))).catch(() => undefined);
      await on.release('a').catch(() => undefined);
      on.wrapHost = (real) => real;
      await on.recover();
      on.nothingDiffers();
    }
  });

  it('are no other guest’s while the write that takes them away has not returned', async () => {
    const on = desktop();
    await on.prepare(guest('a', slice(UUID)));
    on.machine.perform({ do: 'fault', rule: { id: 'slow', path: remove(UUID), effect: { kind: 'hang' } } });
    assert.equal((await failureOf(release(on.engine(), 'a'))).code, 'VH_INCOMPLETE');
    assert.deepEqual(
      on.claims()[0]?.stuck.map(({ hold }) => hold),
      [{ kind: 'mdev', key: UUID }],
    );
    on.writes();
    const { code } = await failureOf(on.prepare(guest('b', slice(UUID))));
    assert.equal(code, 'VH_STUCK');
    assert.deepEqual(on.writes(), []);
    on.happens({ do: 'release-fault', id: 'slow' });
    await on.recover();
    on.nothingDiffers();
  });

  it('are not taken for gone because their directory is', async () => {
    const on = desktop();
    await on.prepare(guest('a', slice(UUID)));
    // Somebody else begins to remove it while a program has it open.
    on.happens({ do: 'open-group', devices: [], mdevs: [UUID], guest: 'other' });
    await on.machine.host().write(remove(UUID), '1', 10);
    assert.equal(found(on), `i915-GVTg_V5_4 on ${IGPU}, leaving`);
    on.config = { ...on.config, mdev: [rule(UUID, IGPU, 'GVTg_V5_8')] };
    const { message } = await failureOf(on.prepare(guest('b', slice(UUID))));
    assert.match(message, /guest "a" has it/);
    await on.release('a');
    const again = await failureOf(on.prepare(guest('b', slice(UUID))));
    assert.match(
      again.message,
      /EEXIST \(there is a device with this UUID, or somebody still has one open that was removed\)/,
    );
    on.happens({ do: 'close-group', guest: 'other' });
    on.nothingDiffers();
  });

  it('are not made of what their own conditions forbid', async () => {
    const rows: readonly (readonly [files: Readonly<Record<string, string>>, reason: RegExp])[] = [
      [{ '/sys/module/i915/parameters/enable_gvt': 'N\n' }, /i915 was loaded without enable_gvt=1/],
      [
        { '/sys/module/i915/parameters/enable_guc': '3\n' },
        /enable_guc=3, and GVT-g does not go together with GuC/,
      ],
    ];
    for (const [files, reason] of rows) {
      const before = open({ host: 'intel-gvt-g' }).machine.state().spec.files;
      const on = open({
        host: 'intel-gvt-g',
        machine: { files: { ...before, ...files } },
        config: { mdev: [SMALL] },
      });
      const { code, message } = await failureOf(on.prepare(guest('a', slice(UUID))));
      assert.equal(code, 'VH_REFUSED');
      assert.match(message, reason);
      on.nothingDiffers();
    }
  });

  it('are of a type that there is, or are refused with those that there are', async () => {
    const on = desktop(rule(UUID, IGPU, 'GVTg_V5_1'));
    on.happens({ do: 'load', module: 'kvmgt' });
    const { message } = await failureOf(on.prepare(guest('a', slice(UUID))));
    assert.match(
      message,
      /0000:00:02.0 does not offer the type GVTg_V5_1; there are i915-GVTg_V5_2, i915-GVTg_V5_4, i915-GVTg_V5_8$/,
    );
  });

  it('of a type that kvmgt turns out not to have leave everything as it was', async () => {
    const on = desktop(rule(UUID, IGPU, 'GVTg_V5_1'));
    const { message } = await failureOf(on.prepare(guest('a', slice(UUID))));
    assert.match(message, /0000:00:02.0 offers no such type; it has i915-GVTg_V5_2/);
    on.nothingDiffers();
  });

  it('are for what the XML says that they are', async () => {
    const on = desktop();
    on.happens({ do: 'load', module: 'kvmgt' });
    const { message } = await failureOf(on.prepare(guest('a', slice(UUID, 'vfio-ap'))));
    assert.match(message, /is for model='vfio-pci', and the guest’s XML says model='vfio-ap'$/);
    on.nothingDiffers();
  });
});

/** A start that dies as it writes to a file of this name, or as its claim is to say that it is done. */
async function dies(on: Scenario, file: string): Promise<void> {
  on.wrapHost = (real) => ({
    ...real,
    write: async (path, ...rest) => {
      const result = await real.write(path, ...rest);
      if (path.endsWith(file)) real.die();
      return result;
    },
  });
  on.wrapStore = (store, host) => ({
    ...store,
    write: (claim, ...rest) => {
      if (file === 'claim' && claim.state === 'held') host.die();
      store.write(claim, ...rest);
    },
  });
  await on.prepare(guest('a', slice(UUID))).catch(() => undefined);
  on.wrapHost = (real) => real;
  on.wrapStore = (store) => store;
}

describe('mediated devices of NVIDIA that a start makes', () => {
  const open = scenarios();

  function server(...mdev: readonly MdevRule[]): Scenario {
    return open({ host: 'nvidia-vgpu-mdev', config: { mdev } });
  }
  const auto = (uuid: string, type = 'A10-4Q'): MdevRule => rule(uuid, 'auto', type);

  it('are of the first function with room, by the name of their type', async () => {
    const on = server(auto(UUID), auto(OTHER, 'nvidia-593'));
    await on.prepare(guest('a', slice(UUID)));
    await on.prepare(guest('b', slice(OTHER)));
    assert.deepEqual(on.writes(), [create(VF0, 'nvidia-593', UUID), create(VF1, 'nvidia-593', OTHER)]);
    await on.release('a');
    await on.prepare(guest('a', slice(UUID)));
    assert.equal(found(on), `nvidia-593 on ${VF0}`);
    await on.release('b');
    await on.release('a');
    on.nothingDiffers();
  });

  it('are of a function each in one guest', async () => {
    const on = server(auto(UUID), auto(OTHER));
    await on.prepare(guest('a', slice(UUID), slice(OTHER)));
    assert.deepEqual([found(on), found(on, OTHER)], [`nvidia-593 on ${VF0}`, `nvidia-593 on ${VF1}`]);
    await on.release('a');
    on.nothingDiffers();
  });

  it('get their attributes in order', async () => {
    const on = server(
      rule(
        UUID,
        VF2,
        'nvidia-593',
        ['nvidia/vm_name', 'a'],
        ['nvidia/vgpu_params', 'frame_rate_limiter=0'],
        ['nvidia/vm_name', 'b'],
      ),
    );
    await on.prepare(guest('a', slice(UUID)));
    const file = (name: string): string => `/sys/bus/mdev/devices/${UUID}/nvidia/${name}`;
    assert.deepEqual(on.writes(), [
      create(VF2, 'nvidia-593', UUID),
      `${file('vm_name')} < a`,
      `${file('vgpu_params')} < frame_rate_limiter=0`,
      `${file('vm_name')} < b`,
    ]);
    assert.equal(on.machine.host().read(file('vm_name')), 'b\n');
    await on.release('a');
    on.nothingDiffers();
  });

  it('are gone again when an attribute is refused', async () => {
    const on = server(rule(UUID, VF2, 'nvidia-593', ['nvidia/vgpu_params', 'x=1']));
    on.fault({ kind: 'fail', errno: 'EINVAL' }, { path: `/sys/bus/mdev/devices/${UUID}/nvidia/vgpu_params` });
    const { message } = await failureOf(on.prepare(guest('a', slice(UUID))));
    assert.match(message, /cannot write "x=1" to nvidia\/vgpu_params .*: EINVAL .*everything is as it was$/);
    on.nothingDiffers();
  });

  it('are made anew when a start has died before all attributes were written', async () => {
    const on = server(rule(UUID, VF2, 'nvidia-593', ['nvidia/vgpu_params', 'x=1']));
    await dies(on, 'create');
    assert.equal(found(on), `nvidia-593 on ${VF2}`);
    on.writes();
    await on.prepare(guest('a', slice(UUID)));
    assert.deepEqual(on.writes(), [
      `${remove(UUID)} < 1`,
      create(VF2, 'nvidia-593', UUID),
      `/sys/bus/mdev/devices/${UUID}/nvidia/vgpu_params < x=1`,
    ]);
    await on.release('a');
    on.nothingDiffers();
  });

  it('are refused where the card has another size at the time, with whose they are', async () => {
    const on = server(auto(UUID), auto(OTHER, 'A10-8Q'));
    await on.prepare(guest('a', slice(UUID)));
    const { message } = await failureOf(on.prepare(guest('b', slice(OTHER))));
    assert.match(
      message,
      /no parent has room for one more of type nvidia-595 \(NVIDIA A10-8Q\): 0000:41:00.4, /,
    );
    on.config = { ...on.config, mdev: [rule(OTHER, VF0, 'A10-4Q')] };
    const { message: full } = await failureOf(on.prepare(guest('b', slice(OTHER))));
    assert.match(full, /0000:41:00.4 has no room for one more of type .*: there is .* of guest "a"$/);
    await on.release('a');
    on.nothingDiffers();
  });

  it('are not of the card itself', async () => {
    const on = server(rule(UUID, '0000:41:00.0', 'A10-4Q'));
    const { message } = await failureOf(on.prepare(guest('a', slice(UUID))));
    assert.match(message, /0000:41:00.0 makes no mediated devices: /);
  });
});

describe('definitions of mdevctl', () => {
  const open = scenarios();
  const path = `/etc/mdevctl.d/${VF1}/${UUID}`;

  function server(
    text: string,
    more: Readonly<Record<string, string>> = {},
    config: Partial<Config> = {},
  ): Scenario {
    const { files } = open({ host: 'nvidia-vgpu-mdev' }).machine.state().spec;
    return open({
      host: 'nvidia-vgpu-mdev',
      machine: { files: { ...files, [path]: text, ...more } },
      config,
    });
  }
  const definition = JSON.stringify(
    { mdev_type: 'nvidia-593', start: 'manual', attrs: [{ 'nvidia/vgpu_params': 'x=1' }] },
    null,
    2,
  );

  it('are all that a guest needs', async () => {
    const on = server(definition);
    await on.prepare(guest('a', slice(UUID)));
    assert.deepEqual(on.writes(), [
      create(VF1, 'nvidia-593', UUID),
      `/sys/bus/mdev/devices/${UUID}/nvidia/vgpu_params < x=1`,
    ]);
    await on.release('a');
    on.nothingDiffers();
  });

  it('do not count where the configuration says otherwise', async () => {
    const on = server(definition, {}, { mdev: [rule(UUID, VF2, 'nvidia-591')] });
    await on.prepare(guest('a', slice(UUID)));
    assert.equal(found(on), `nvidia-591 on ${VF2}`);
  });

  it('whose device was started by mdevctl leave it to mdevctl', async () => {
    const on = server(definition.replace('manual', 'auto'));
    await on.byHand(typeFile(VF1, 'nvidia-593', 'create'), UUID);
    const before = on.observation();
    await on.prepare(guest('a', slice(UUID)));
    await on.release('a');
    assert.deepEqual(on.writes(), []);
    on.nothingDiffers(before);
  });

  it('that are broken or others’ keep the guest from its start, and no other one', async () => {
    const rows: readonly (readonly [
      text: string,
      more: Readonly<Record<string, string>>,
      message: RegExp,
    ])[] = [
      ['{', {}, /it is no JSON$/],
      ['{}', {}, /its "mdev_type" is no type of mediated devices$/],
      ['{"mdev_type":"../../x"}', {}, /its "mdev_type" is no type/],
      ['{"mdev_type":"nvidia-593","attrs":[{"../driver/unbind":"1"}]}', {}, /number 1 of its "attrs"/],
      ['{"mdev_type":"nvidia-593","attrs":[{"remove":"1"}]}', {}, /number 1 of its "attrs"/],
      [
        definition,
        { [path.replace(VF1, VF2)]: definition },
        /mdevctl has two definitions of the mediated device/,
      ],
    ];
    for (const [text, more, expected] of rows) {
      const on = server(text, more);
      const { code, message } = await failureOf(on.prepare(guest('a', slice(UUID))));
      assert.equal(code, 'VH_CONFIG');
      assert.match(message, expected);
      await on.prepare(guest('b', slice(OTHER)));
      on.nothingDiffers();
    }
  });

  it('that others can write to are not believed', async () => {
    const { files } = open({ host: 'nvidia-vgpu-mdev' }).machine.state().spec;
    for (const facts of [
      { [path]: { mode: 0o666 } },
      { [path]: { uid: 1000 } },
      { [`/etc/mdevctl.d/${VF1}`]: { mode: 0o777 } },
    ]) {
      const on = open({
        host: 'nvidia-vgpu-mdev',
        machine: { files: { ...files, [path]: definition }, fileFacts: facts },
      });
      const { code, message } = await failureOf(on.prepare(guest('a', slice(UUID))));
      assert.equal(code, 'VH_CONFIG');
      assert.match(message, /others than root can write to \/etc\/mdevctl\.d/);
    }
  });
});
