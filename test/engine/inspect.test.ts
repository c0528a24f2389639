import assert from 'node:assert/strict';
import { ownerPhrase } from '../../src/claim/owner.ts';
import { inspectGroups, type InspectedGroup, type Inspection } from '../../src/engine/inspect.ts';
import { VfioHookError } from '../../src/errors.ts';
import { allGroups } from '../../src/observe/take-snapshot.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { everyLock, failureOf, guest, pci, scenarios, type Scenario } from '../scenario.ts';

const GPU = '0000:03:00.0';
const GPU_OF_HOST = '0000:41:00.0';
const SOUND = '0000:03:00.1';
const win11 = guest('win11', GPU);

async function inspection(engine: Engine): Promise<Inspection> {
  return inspectGroups(engine, allGroups(engine.host));
}

async function groupWith(on: Scenario, address: string): Promise<InspectedGroup> {
  const { groups } = await inspection(on.engine());
  const found = groups.find(({ group }) => group.members.includes(pci(address)));
  assert.ok(found);
  return found;
}

describe('inspectGroups', () => {
  const scenario = scenarios();

  it('has every group with every device, and changes nothing', async () => {
    const on = scenario();
    const before = on.observation();
    const { groups, notes } = await inspection(on.engine());
    assert.deepEqual(
      groups.flatMap(({ devices }) => devices.map(({ device }) => device.address)).sort(),
      Object.keys(on.machine.state().devices).sort(),
    );
    assert.deepEqual(notes, []);
    assert.deepEqual(on.writes(), []);
    on.nothingDiffers(before);
  });

  it('looks at the groups that are asked for only', async () => {
    const on = scenario();
    const { groups } = await inspectGroups(on.engine(), [16]);
    assert.deepEqual(
      groups.map(({ group }) => group.number),
      [16],
    );
  });

  it('says which guest has a group, since when, and what drivers its devices came from', async () => {
    const on = scenario();
    await on.prepare(win11);
    const { verdict, devices, holders } = await groupWith(on, GPU);
    assert.equal(verdict.kind, 'held');
    assert.deepEqual(
      devices.map(({ claim, hostDriver, device }) => [
        claim && ownerPhrase(claim.owner),
        claim?.claimedAt,
        device.driver,
        hostDriver,
      ]),
      [
        ['guest "win11"', '2026-01-02T03:04:05.000Z', 'vfio-pci', 'amdgpu'],
        ['guest "win11"', '2026-01-02T03:04:05.000Z', 'vfio-pci', 'snd_hda_intel'],
      ],
    );
    assert.deepEqual(holders, []);
  });

  it('names the process that has a group open without a claim', async () => {
    const on = scenario();
    await on.prepare(win11);
    on.engine().store.remove(win11.uuid, everyLock);
    on.happens({ do: 'open-group', devices: [GPU], guest: 'by-hand', pid: 4242 });
    const { verdict, holders, devices } = await groupWith(on, GPU);
    assert.deepEqual([verdict.kind, verdict.reasons[0]?.code], ['held', 'in-use']);
    assert.deepEqual(holders, [
      { path: '/dev/vfio/16', pid: 4242, name: 'qemu-system-x86', guest: 'by-hand' },
    ]);
    assert.deepEqual(
      devices.map(({ claim }) => claim),
      [undefined, undefined],
    );
  });

  it('finds the module of the host for a device on vfio-pci or on no driver, and for no other', async () => {
    const on = scenario();
    await on.moveByHand(SOUND, 'none');
    const { devices } = await groupWith(on, GPU);
    assert.deepEqual(
      devices.map(({ device, hostDriver }) => [device.driver, hostDriver]),
      [
        ['amdgpu', undefined],
        [undefined, 'snd_hda_intel'],
      ],
    );
  });

  it('judges by the configuration of all guests', async () => {
    const on = scenario();
    const rule = { match: { by: 'address', address: pci(GPU) }, bars: new Map([[0, 2 ** 20]]) } as const;
    on.config = { ...on.config, devices: [rule] };
    const { verdict } = await groupWith(on, GPU);
    assert.deepEqual([verdict.kind, verdict.reasons[0]?.code], ['refused', 'bar']);
  });

  it('goes on without a configuration that cannot be read, and says so', async () => {
    const on = scenario();
    const refusing: Engine = {
      ...on.engine(),
      loadConfig: (guest) => {
        assert.equal(guest, undefined);
        throw new VfioHookError('VH_CONFIG', 'config.yaml, line 1: no');
      },
    };
    const { groups, notes } = await inspection(refusing);
    assert.ok(groups.length > 10);
    assert.deepEqual(notes, [
      'config.yaml, line 1: no; no guest would start with it, and the groups are judged without it',
    ]);
  });

  it('goes on without claims that cannot be read, and says so', async () => {
    const on = scenario();
    await on.prepare(win11);
    on.damage('torn.json', '{');
    const { groups, notes } = await inspection(on.engine());
    assert.equal(groups.filter(({ verdict }) => verdict.kind === 'held').length, 1);
    assert.equal(notes.length, 1);
    assert.match(
      notes[0]!,
      /^claim .*torn\.json cannot be trusted, so no guest would be given a device: .*; see: vfio-hook status$/,
    );

    const engine = on.engine();
    const denied: Engine = {
      ...engine,
      store: {
        ...engine.store,
        all: () => {
          throw new VfioHookError('VH_CLAIM', 'cannot read claim /run/vfio-hook/claims: EACCES');
        },
      },
    };
    assert.deepEqual((await inspection(denied)).notes, [
      'which guest holds a device is not known: cannot read claim /run/vfio-hook/claims: EACCES',
    ]);
  });

  it('without root: shows what can be read, and says what cannot', async () => {
    const on = scenario();
    await on.prepare(win11);
    const engine = on.engine();
    const { host } = engine;
    const unprivileged: Engine = {
      ...engine,
      host: {
        ...host,
        read: (path) => {
          if (path.endsWith('_resize')) throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
          return host.read(path);
        },
        tryOpen: () => 'denied',
      },
    };
    const { groups, notes } = await inspection(unprivileged);
    const all = groups.flatMap(({ devices }) => devices);
    assert.equal(all.length, Object.keys(on.machine.state().devices).length);
    assert.ok(all.every(({ device }) => device.bars.every(({ sizes }) => sizes === undefined)));
    // A guest has it, which only the claim and the node of the group tell: those two are closed here.
    const unknown = await inspection({
      ...unprivileged,
      store: {
        ...engine.store,
        all: () => {
          throw new VfioHookError('VH_CLAIM', 'cannot read claim /run/vfio-hook/claims: EACCES', {
            errno: 'EACCES',
          });
        },
      },
    });
    const card = unknown.groups.find(({ devices }) => devices.some(({ device }) => device.address === GPU));
    assert.equal(card?.verdict.kind, 'unknown');
    assert.equal(unknown.groups.filter(({ verdict }) => verdict.kind === 'unknown').length, 1);
    assert.match(unknown.notes.join(), /^only root \(sudo\) can see .*which guests hold devices;/);
    assert.deepEqual(notes, [
      'only root (sudo) can see the sizes that BARs can have, which groups are open; a group may be less free than it looks',
    ]);
  });

  it('a device whose write hangs is shown without asking it, and refused', async () => {
    const on = scenario({ config: { timeouts: { kernelWrite: 50, run: 100, lock: 1000, script: 1000 } } });
    on.fault({ kind: 'hang' }, { path: '*/snd_hda_intel/unbind' });
    await failureOf(on.prepare(win11));
    const { verdict, devices } = await groupWith(on, GPU);
    assert.deepEqual(
      [verdict.kind, verdict.reasons.map(({ code, device }) => `${code} ${device}`)],
      ['refused', [`stuck ${SOUND}`]],
    );
    assert.deepEqual(
      devices.map(({ device, verdict: own }) => [device.address, own?.kind]),
      [
        [GPU, 'refuse'],
        [SOUND, undefined],
      ],
    );
  });

  it('names the vGPU on a virtual function, by a claim, by its card, or by its number alone', async () => {
    const on = scenario({ host: 'nvidia-vgpu-server', vfioLoaded: true });
    const [held, byHand, free] = ['0000:41:00.4', '0000:41:00.5', '0000:41:00.6'];
    const vgpuOn = async (address: string): Promise<unknown> =>
      (await groupWith(on, address)).devices.map(({ vgpu }) => vgpu);
    const write = (address: string, type: string): Promise<void> =>
      on.byHand(`/sys/bus/pci/devices/${address}/nvidia/current_vgpu_type`, type);
    await write(byHand, '1155');
    const name = 'NVIDIA L40S-24Q';
    assert.deepEqual(await vgpuOn(byHand), [{ type: 1155, name }]);
    assert.deepEqual(await vgpuOn(free), [{ type: 0 }]);
    // Two of its size fill the card, which lists nothing any more.
    await write(held, '1155');
    assert.deepEqual(await vgpuOn(byHand), [{ type: 1155 }]);
    await write(held, '0');
    on.config = { ...on.config, vgpu: [{ vf: pci(held), type: 1155 }] };
    await on.prepare(guest('a', held));
    assert.deepEqual(await vgpuOn(byHand), [{ type: 1155, name }]);
    assert.deepEqual((await groupWith(on, GPU_OF_HOST)).devices[0]?.vgpu, undefined);
  });

  it('goes without the name of a vGPU when its driver does not answer', async () => {
    const on = scenario({ host: 'nvidia-vgpu-server' });
    await on.byHand('/sys/bus/pci/devices/0000:41:00.4/nvidia/current_vgpu_type', '1155');
    const engine = on.engine();
    const { groups } = await inspection({
      ...engine,
      host: {
        ...engine.host,
        readSlow: (path, ...more) =>
          path.endsWith('/creatable_vgpu_types')
            ? Promise.resolve({ kind: 'stuck', path })
            : engine.host.readSlow(path, ...more),
      },
    });
    const found = groups.flatMap(({ devices }) => devices).find(({ vgpu }) => vgpu && vgpu.type > 0);
    assert.deepEqual(found?.vgpu, { type: 1155 });
  });
});
