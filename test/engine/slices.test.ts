import assert from 'node:assert/strict';
import { readMdev } from '../../src/observe/mdev.ts';
import type { Config } from '../../src/config/config.ts';
import { detach, runOwner, type Detachment, type DetachRequest } from '../../src/engine/detach.ts';
import type { MdevRequest } from '../../src/engine/slices.ts';
import { giveBackLocked } from '../../src/engine/release.ts';
import { dieBefore, failureOf, guest, pci, scenarios, type Scenario } from '../scenario.ts';

const NIC = pci('0000:17:00.1');
const [NIC_FIRST, NIC_SECOND] = ['0000:17:0a.0', '0000:17:0a.1'] as const;
const MADE = pci('0000:17:00.0');
const CARD = pci('0000:41:00.0');
const VF = '0000:41:00.4';
const NEXT = '0000:41:00.5';
const SECOND = pci('0000:61:00.0');

/** A run that begins, and what ends it. */
async function running(
  on: Scenario,
  request: Partial<DetachRequest>,
): Promise<{ readonly detachment: Detachment; readonly end: () => Promise<unknown> }> {
  const engine = on.engine();
  const owner = runOwner(engine.host, 'qemu');
  const detachment = await detach(engine, {
    owner,
    devices: [],
    bars: new Map(),
    skipRefused: false,
    ...request,
  });
  return { detachment, end: () => giveBackLocked(on.engine(), owner, () => undefined) };
}

describe('virtual functions for whoever is no guest of libvirt', () => {
  const open = scenarios();

  function nic(): Scenario {
    const sriov = [{ pf: NIC, vfs: 4, autoprobe: false }] as const;
    return open({ host: 'sriov-nic', vfioLoaded: true, config: { sriov } });
  }

  function server(config: Partial<Config> = {}): Scenario {
    return open({ host: 'nvidia-vgpu-server', vfioLoaded: true, config });
  }

  it('are made for a run, chosen by themselves, and gone with it', async () => {
    const on = nic();
    const { detachment, end } = await running(on, { slices: [NIC] });
    assert.deepEqual(detachment.chosen, [NIC_FIRST]);
    assert.deepEqual(on.writes(), [
      `${NIC}/sriov_drivers_autoprobe < 0`,
      `${NIC}/sriov_numvfs < 4`,
      `${NIC_FIRST}/driver_override < vfio-pci`,
      `vfio-pci/bind < ${NIC_FIRST}`,
    ]);
    assert.deepEqual(await end(), { kind: 'restored', notes: [] });
    on.nothingDiffers();
  });

  it('are shared with guests: the last of all takes them away', async () => {
    const on = nic();
    await on.prepare(guest('a', NIC_FIRST));
    const { detachment, end } = await running(on, { slices: [NIC] });
    assert.deepEqual(detachment.chosen, [NIC_SECOND]);
    await on.release('a');
    assert.equal(on.driver(NIC_SECOND), 'vfio-pci');
    await end();
    on.nothingDiffers();
  });

  it('may be several of one card', async () => {
    const on = nic();
    const { detachment, end } = await running(on, { slices: [NIC, NIC] });
    assert.deepEqual(detachment.chosen, [NIC_FIRST, NIC_SECOND]);
    await end();
    on.nothingDiffers();
  });

  it('of the administrator are taken, too, but none that the host uses', async () => {
    const on = open({ host: 'sriov-nic' });
    const { detachment, end } = await running(on, { slices: [MADE] });
    assert.equal(detachment.chosen.length, 1);
    assert.equal(on.driver(detachment.chosen[0] ?? ''), 'vfio-pci');
    await end();
    on.nothingDiffers();
  });

  it('are another one when the first is taken in this very moment', async () => {
    const on = open({ host: 'sriov-nic' });
    const [there, other] = ['0000:17:02.0', '0000:17:02.1'];
    await on.prepare(guest('a', there));
    const taken = on.claims();
    await on.release('a');
    // Whoever chooses does not see the claim of the guest yet, whoever decides does.
    let looks = 0;
    on.wrapStore = (store) => ({
      ...store,
      all: () => {
        const stored = store.all();
        looks += 1;
        return looks === 2 ? { ...stored, claims: [...stored.claims, ...taken] } : stored;
      },
    });
    const { detachment, end } = await running(on, { slices: [MADE] });
    on.wrapStore = (store) => store;
    assert.deepEqual(detachment.chosen, [other]);
    await end();
    on.nothingDiffers();
  });

  it('are refused where the configuration does not say how many there are to be', async () => {
    const on = server();
    const { message, hints } = await failureOf(running(on, { slices: [SECOND] }));
    assert.match(message, /^0000:61:00.0 has no virtual functions, and the configuration does not say/);
    assert.ok(hints[0]?.text.includes('sriov: [{ pf: "0000:61:00.0", vfs: all }]'));
    const other = await failureOf(running(on, { slices: [pci('0000:03:00.0')] }));
    assert.match(other.message, /^0000:03:00.0 makes no virtual functions$/);
    on.nothingDiffers();
  });

  it('are refused where none is free', async () => {
    const on = nic();
    on.config = { ...on.config, sriov: [{ pf: NIC, vfs: 1, autoprobe: false }] };
    const { end } = await running(on, { slices: [NIC] });
    const { message } = await failureOf(running(on, { slices: [NIC] }));
    assert.equal(message, `none of the 1 virtual functions of ${NIC} is free`);
    await end();
    on.nothingDiffers();
  });

  it('get a vGPU, and stay on their driver', async () => {
    const on = server();
    const first = await running(on, { slices: [CARD], vgpu: { type: 'L40S-8Q', params: 'a=1' } });
    const second = await running(on, { slices: [CARD], vgpu: { type: 1152 } });
    assert.deepEqual([first.detachment.chosen, second.detachment.chosen], [[VF], [NEXT]]);
    assert.deepEqual(on.writes(), [
      `${VF}/nvidia/current_vgpu_type < 1152`,
      `${VF}/nvidia/vgpu_params < a=1`,
      `${NEXT}/nvidia/current_vgpu_type < 1152`,
    ]);
    const { message } = await failureOf(running(on, { slices: [CARD], vgpu: { type: 'L40S-12Q' } }));
    assert.match(message, /cannot have the vGPU on 0000:41:00.6: .* it can be NVIDIA L40S-8Q/);
    await first.end();
    await second.end();
    on.nothingDiffers();
  });

  it('without a type of theirs are refused with the option that names it', async () => {
    const on = server();
    const { detachment } = await running(on, { slices: [CARD] });
    const [verdict] = detachment.plan.verdicts;
    assert.ok(verdict?.kind === 'refuse');
    assert.match(verdict.reason, /there is no vGPU on it/);
    assert.ok(verdict.hints.some(({ text }) => text.includes('--vgpu TYPE')));
    on.nothingDiffers();
  });

  it('are made by sriov-manage for a run, with the vGPU', async () => {
    const on = server({ sriov: [{ pf: SECOND, vfs: 'all', autoprobe: false }] });
    const { detachment, end } = await running(on, { slices: [SECOND], vgpu: { type: 1152 } });
    assert.deepEqual(detachment.chosen, ['0000:61:00.4']);
    await end();
    on.nothingDiffers();
  });

  it('are detached by a person, and go with the reattach', async () => {
    const on = server();
    await on.detach([], { slices: [CARD], vgpu: { type: 1152 } });
    await on.detach([NEXT], { vgpu: { type: 1152 } });
    assert.deepEqual([on.fact(`${VF} vgpu type`), on.fact(`${NEXT} vgpu type`)], ['1152', '1152']);
    assert.deepEqual(await on.recover(), [
      ...on.claims().map(({ owner }) => ({
        owner,
        outcome: 'left',
        reasons: ['held on purpose: vfio-hook reattach gives the devices back'],
      })),
    ]);
    await on.reattach([VF]);
    assert.deepEqual([on.fact(`${VF} vgpu type`), on.fact(`${NEXT} vgpu type`)], ['0', '1152']);
    await on.reattach([NEXT]);
    // Nobody takes them for devices that somebody has left behind.
    await on.reattach([NEXT]);
    assert.equal(on.driver(NEXT), 'nvidia');
    on.nothingDiffers();
  });

  it('of one detach go back one by one, and their number with the last', async () => {
    const on = nic();
    await on.detach([], { slices: [NIC, NIC] });
    await on.reattach([NIC_FIRST]);
    assert.equal(on.fact(`${NIC} virtual functions`), '4');
    assert.equal(on.driver(NIC_SECOND), 'vfio-pci');
    await on.reattach([NIC_SECOND]);
    on.nothingDiffers();
  });

  it('of one detach lose their vGPUs one by one', async () => {
    const on = server();
    await on.detach([], { slices: [CARD, CARD], vgpu: { type: 1152 } });
    await on.reattach([VF]);
    assert.deepEqual([on.fact(`${VF} vgpu type`), on.fact(`${NEXT} vgpu type`)], ['0', '1152']);
    assert.deepEqual(
      on.claims().map(({ holds }) => holds.map(({ key }) => key)),
      [[NEXT]],
    );
    await on.reattach([NEXT]);
    on.nothingDiffers();
  });

  it('are given back by recover after a death at any write, whoever they were for', async () => {
    for (let nth = 0; nth < 9; nth += 1) {
      const on = nic();
      const live = dieBefore(on, nth);
      await on.detach([], { slices: [NIC] }).catch(() => undefined);
      await on.reattach([NIC_FIRST]).catch(() => undefined);
      live();
      await on.recover();
      if (on.claims().length > 0) await on.reattach([NIC_FIRST]);
      on.nothingDiffers();
    }
  });
});

describe('mediated devices for whoever is no guest of libvirt', () => {
  const open = scenarios();
  const UUID = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001';
  const OTHER = '83b8f4f2-509f-382f-3c1e-e6bfe0fa1002';
  const IGPU = '0000:00:02.0';
  const ID = 'i915-GVTg_V5_4';
  const small = (uuid: string): MdevRequest => ({ uuid, parent: 'auto', type: 'GVTg_V5_4' });
  const isThere = (on: Scenario, uuid: string): boolean => readMdev(on.engine().host, uuid) !== undefined;

  it('are made for a run, and gone with it', async () => {
    const on = open({ host: 'intel-gvt-g' });
    const { detachment, end } = await running(on, { mdevs: [small(UUID)] });
    assert.deepEqual(
      detachment.holds.holds.map(({ kind, key, wish }) => [kind, key, wish]),
      [['mdev', UUID, { parent: IGPU, type: ID, attributes: '[]', api: 'vfio-pci' }]],
    );
    assert.deepEqual(readMdev(on.engine().host, UUID), { parent: IGPU, type: ID });
    assert.deepEqual(
      on.claims().map(({ state, devices }) => [state, devices]),
      [['held', []]],
    );
    assert.deepEqual(await end(), { kind: 'restored', notes: [] });
    assert.equal(isThere(on, UUID), false);
    assert.deepEqual(on.claims(), []);
  });

  it('share a card with those of guests, as far as there is room', async () => {
    const on = open({ host: 'intel-gvt-g' });
    const uuids = ['1', '2', '3'].map((digit) => `${UUID.slice(0, -1)}${digit}`);
    await running(on, { mdevs: uuids.map(small) });
    const { message, code } = await failureOf(running(on, { mdevs: [small(`${UUID.slice(0, -1)}4`)] }));
    assert.equal(code, 'VH_REFUSED');
    assert.match(message, /no parent has room for one more of type i915-GVTg_V5_4: 0000:00:02.0$/);
  });

  it('of one detach go back together, by the UUID of one', async () => {
    const on = open({ host: 'intel-gvt-g' });
    await on.detach([], { mdevs: [small(UUID), small(OTHER)] });
    assert.deepEqual(await on.recover(), [
      ...on.claims().map(({ owner }) => ({
        owner,
        outcome: 'left',
        reasons: ['held on purpose: vfio-hook reattach gives the devices back'],
      })),
    ]);
    await on.reattach([], { mdevs: [OTHER] });
    assert.deepEqual(
      [UUID, OTHER].map((uuid) => isThere(on, uuid)),
      [false, false],
    );
    assert.deepEqual(on.claims(), []);
  });

  it('are not taken by a reattach from whoever has one open, or made it', async () => {
    const on = open({ host: 'intel-gvt-g' });
    const refusedOf = async (uuid: string): Promise<string[]> =>
      (await on.reattach([], { mdevs: [uuid] })).refused.map(({ code, message }) => `${code} ${message}`);
    await on.detach([], { mdevs: [small(UUID), small(OTHER)] });
    on.happens({ do: 'open-group', devices: [], mdevs: [UUID], guest: 'a', pid: 4242 });
    assert.deepEqual(await refusedOf(OTHER), [
      `VH_BUSY cannot take mediated device ${OTHER} away: ${UUID} is open in guest "a" (pid 4242)`,
    ]);
    on.happens({ do: 'close-group', guest: 'a' });
    await on.reattach([], { mdevs: [UUID] });
    assert.deepEqual(await refusedOf(UUID), [`VH_NO_DEVICE there is no mediated device ${UUID}`]);

    const { end } = await running(on, { mdevs: [small(UUID)] });
    assert.deepEqual(await refusedOf(UUID), [
      `VH_BUSY cannot take mediated device ${UUID} away: vfio-hook run "qemu" holds it`,
    ]);
    await end();
    await on.byHand(`/sys/class/mdev_bus/${IGPU}/mdev_supported_types/${ID}/create`, UUID);
    assert.deepEqual(await refusedOf(UUID), [
      `VH_REFUSED cannot take mediated device ${UUID} away: no vfio-hook detach has made it`,
    ]);
    assert.equal(isThere(on, UUID), true);
  });

  it('are removed by recover after a death at any write', async () => {
    for (let nth = 0; nth < 5; nth += 1) {
      const on = open({ host: 'intel-gvt-g' });
      on.happens({ do: 'load', module: 'kvmgt' });
      const before = on.observation();
      const live = dieBefore(on, nth);
      await on.detach([], { mdevs: [small(UUID), small(OTHER)] }).catch(() => undefined);
      await on.reattach([], { mdevs: [UUID] }).catch(() => undefined);
      live();
      await on.recover();
      if (on.claims().length > 0) await on.reattach([], { mdevs: [UUID] });
      on.nothingDiffers(before);
    }
  });
});
