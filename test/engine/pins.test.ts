import assert from 'node:assert/strict';
import { defaultConfig, type Config, type DeviceRule } from '../../src/config/config.ts';
import { parseDeviceMatch } from '../../src/config/match.ts';
import type { Hostdev } from '../../src/domain/domain.ts';
import { hintText } from '../../src/hint.ts';
import { failureOf, guest, pci, scenarios, type Scenario, type ScenarioOptions } from '../scenario.ts';

/* How a device is reset, and whether it may sleep, while a guest has it. */

const GPU = '0000:03:00.0';
const SOUND = '0000:03:00.1';
const NVME = '0000:04:00.0';
const VF = '0000:17:02.0';

function rules(...list: readonly (readonly [match: string, rest: Partial<DeviceRule>])[]): Partial<Config> {
  return {
    ...defaultConfig,
    devices: list.map(([match, rest]) => ({ match: parseDeviceMatch(match)!, bars: new Map(), ...rest })),
  };
}

const all = { reset: ['device_specific'], power: 'on', d3cold: false } as const;
const resettable = { [GPU]: { resetMethods: ['device_specific', 'flr'] } };
const win11 = guest('win11', GPU, SOUND);

/** A card that has what the rule is about. */
const card: ScenarioOptions = {
  devicesOfHost: resettable,
  config: rules([GPU, all], [SOUND, { power: 'on' }]),
  vfioLoaded: true,
};

const moves = [
  `${GPU}/driver_override < vfio-pci`,
  `${SOUND}/driver_override < vfio-pci`,
  `snd_hda_intel/unbind < ${SOUND}`,
  `amdgpu/unbind < ${GPU}`,
  `vfio-pci/bind < ${GPU}`,
  `vfio-pci/bind < ${SOUND}`,
];
const comesBack = [
  `vfio-pci/unbind < ${SOUND}`,
  `vfio-pci/unbind < ${GPU}`,
  `${GPU}/driver_override < ""`,
  `${SOUND}/driver_override < ""`,
  `amdgpu/bind < ${GPU}`,
  `snd_hda_intel/bind < ${SOUND}`,
];

const byHand = (s: Scenario, device: string, name: string, value: string): Promise<void> =>
  s.byHand(`/sys/bus/pci/devices/${device}/${name}`, value);

describe('how a device is reset and whether it sleeps while a guest has it', () => {
  const scenario = scenarios();

  it('is set before it moves, power after it was bound, and all of it is put back', async () => {
    const s = scenario(card);
    await s.prepare(win11);
    assert.deepEqual(s.writes(), [
      `${GPU}/reset_method < device_specific`,
      `${GPU}/d3cold_allowed < 0`,
      ...moves,
      `${GPU}/power/control < on`,
      `${SOUND}/power/control < on`,
    ]);
    assert.equal(s.fact(`${GPU} power control`), 'on');
    const [gpu, sound] = s.claims()[0]!.devices;
    assert.deepEqual(gpu!.original, {
      driver: 'amdgpu',
      module: 'amdgpu',
      bars: [],
      powerControl: 'on',
      resetMethods: ['device_specific', 'flr'],
      d3coldAllowed: true,
    });
    assert.equal(sound!.original.d3coldAllowed, undefined);

    await s.release('win11');
    assert.deepEqual(s.writes(), [
      ...comesBack,
      `${GPU}/reset_method < device_specific flr`,
      `${GPU}/d3cold_allowed < 1`,
      `${SOUND}/power/control < auto`,
    ]);
    s.nothingDiffers();
  });

  it('is set of a device that was on vfio-pci before, which does not move', async () => {
    const s = scenario(card);
    await s.moveByHand(GPU, 'vfio-pci');
    await s.moveByHand(SOUND, 'vfio-pci');
    const before = s.observation();
    await s.prepare(win11);
    assert.deepEqual(s.writes(), [
      `${GPU}/reset_method < device_specific`,
      `${GPU}/d3cold_allowed < 0`,
      `${GPU}/power/control < on`,
      `${SOUND}/power/control < on`,
    ]);
    await s.release('win11');
    s.nothingDiffers(before);
  });

  it('writes nothing for what is so already', async () => {
    const s = scenario({
      ...card,
      config: rules([GPU, { reset: ['device_specific', 'flr'], d3cold: true }]),
    });
    await s.prepare(win11);
    assert.deepEqual(s.writes(), moves);
    await s.release('win11');
    s.nothingDiffers();
  });

  it('is put back although somebody bound the device to a driver of his own meanwhile', async () => {
    const s = scenario(card);
    await s.prepare(win11);
    await s.moveByHand(GPU, 'pci-stub');
    s.writes();
    await s.release('win11');
    assert.equal(s.driver(GPU), 'pci-stub');
    assert.equal(s.fact(`${GPU} reset methods`), 'device_specific flr');
    assert.equal(s.fact(`${GPU} d3cold allowed`), '1');
  });

  it('loses bus where the device is not alone: it did not work there, and the kernel takes it no more', async () => {
    const s = scenario({
      ...card,
      devicesOfHost: { [GPU]: { resetMethods: ['flr', 'bus'] } },
      config: rules([GPU, { reset: ['flr'] }]),
    });
    await s.prepare(win11);
    await byHand(s, GPU, 'reset_method', '\n');
    s.writes();
    await s.release('win11');
    assert.ok(s.writes().includes(`${GPU}/reset_method < flr`));
    assert.equal(s.fact(`${GPU} reset methods`), 'flr');
    assert.deepEqual(s.claims(), []);
  });

  it('comes back when a method fails: nothing has moved by then', async () => {
    const s = scenario({ ...card, devicesOfHost: { [GPU]: { resetMethods: ['flr'] } } });
    const error = await failureOf(s.prepare(win11));
    assert.equal(
      error.message,
      `cannot set reset methods of ${GPU} to device_specific: EINVAL (the device does not have one of these methods); guest "win11" is not started and everything is as it was`,
    );
    assert.deepEqual(s.writes(), [`${GPU}/reset_method < device_specific (EINVAL)`]);
    s.nothingDiffers();
  });

  it('comes back when it cannot be kept awake', async () => {
    const s = scenario(card);
    s.fault({ kind: 'fail', errno: 'EIO' }, { path: `*/${GPU}/power/control` });
    await failureOf(s.prepare(win11));
    s.nothingDiffers();
  });

  it('of an earlier, unfinished start is put back when the configuration does not ask for it any more', async () => {
    const s = scenario(card);
    s.fault({ kind: 'kill', when: 'after' }, { path: `*/${SOUND}/driver_override`, times: 1 });
    await assert.rejects(s.prepare(win11));
    s.config = defaultConfig;
    s.writes();
    await s.prepare(win11);
    assert.deepEqual(s.writes().slice(0, 2), [
      `${GPU}/reset_method < device_specific flr`,
      `${GPU}/d3cold_allowed < 1`,
    ]);
    await s.release('win11');
    s.nothingDiffers();
  });

  it('is put back, too, where an unfinished start that asked for none of it has the devices already', async () => {
    const s = scenario({ ...card, config: defaultConfig });
    s.fault({ kind: 'kill', when: 'after' }, { path: `*/${SOUND}/driver_override`, times: 1 });
    await assert.rejects(s.prepare(win11));
    s.config = { ...defaultConfig, ...card.config };
    await s.prepare(win11);
    assert.equal(s.fact(`${GPU} d3cold allowed`), '0');
    await s.release('win11');
    s.nothingDiffers();
  });

  it('is refused for a device that was detached by hand otherwise, when it is detached again', async () => {
    const s = scenario({ ...card, config: defaultConfig });
    await s.detach([GPU]);
    s.config = { ...defaultConfig, ...rules([GPU, { d3cold: false }]) };
    s.writes();
    const { plan } = await s.detach([GPU]);
    const [verdict] = plan.verdicts;
    assert.deepEqual(
      [verdict?.kind, verdict?.reason],
      ['refuse', 'it is detached by hand already, but not as asked for now'],
    );
    assert.deepEqual(s.writes(), []);
    s.config = { ...defaultConfig, ...rules([GPU, { d3cold: true }]) };
    await s.detach([GPU]);
    assert.deepEqual(s.writes(), []);
    await s.reattach([GPU]);
    s.nothingDiffers();
  });

  it('is put back first to what a detach left, then to what was before that', async () => {
    const s = scenario({ ...card, config: rules([GPU, { d3cold: false }]) });
    await s.detach([GPU]);
    const detached = s.observation();
    s.config = { ...defaultConfig, ...rules([GPU, all]) };
    await s.prepare(win11);
    assert.equal(s.fact(`${GPU} reset methods`), 'device_specific');
    await s.release('win11');
    assert.deepEqual(s.observation(), detached);
    await s.reattach([GPU]);
    s.nothingDiffers();
  });

  const deaths = [
    ['reset_method', GPU],
    ['d3cold_allowed', GPU],
    ['driver_override', SOUND],
    ['power/control', GPU],
    ['power/control', SOUND],
  ] as const;
  for (const [name, device] of deaths) {
    for (const when of ['before', 'after'] as const) {
      it(`comes back by recover when the run died ${when} the write to ${name} of ${device}`, async () => {
        const s = scenario(card);
        s.fault({ kind: 'kill', when }, { path: `*/${device}/${name}`, times: 1 });
        await assert.rejects(s.prepare(win11));
        s.time.now += 3_600_000;
        assert.deepEqual(
          (await s.recover()).map(({ outcome }) => outcome),
          ['restored'],
        );
        s.nothingDiffers();
      });

      it(`comes back by recover when the release died ${when} the write to ${name} of ${device}`, async () => {
        const s = scenario(card);
        await s.prepare(win11);
        s.fault({ kind: 'kill', when }, { path: `*/${device}/${name}`, times: 1 });
        // The graphics function is awake as it was: of that there is nothing to put back.
        if (name === 'power/control' && device === GPU) await s.release('win11');
        else await assert.rejects(s.release('win11'));
        s.time.now += 3_600_000;
        await s.recover();
        s.nothingDiffers();
      });
    }
  }
});

interface Refused extends ScenarioOptions {
  readonly name: string;
  readonly devices: readonly (string | Hostdev)[];
  readonly message: string;
  readonly hint: string;
  readonly first?: (s: Scenario) => void;
}

const refused: readonly Refused[] = [
  {
    name: 'a method that the device does not have',
    devices: [NVME],
    config: rules([NVME, { reset: ['pm'], allow: ['mounted', 'root-disk', 'swap'] }]),
    message: `cannot give ${NVME} to guest "win11": ${NVME} cannot be reset by pm`,
    hint: `it has flr, bus; all that work now, where somebody has left some out: echo default > /sys/bus/pci/devices/${NVME}/reset_method`,
  },
  {
    name: 'a method of a companion that has none',
    devices: [GPU],
    config: rules([SOUND, { reset: ['flr'] }]),
    message: `cannot give ${SOUND}, which shares the IOMMU group of an assigned device, to guest "win11": how ${SOUND} is reset cannot be chosen: it has no reset_method`,
    hint: 'the kernel knows no way to reset the device alone, or is older than 5.15: take reset out of the rule',
  },
  {
    name: 'bus beside a sibling, though the kernel shows it',
    devices: [GPU],
    devicesOfHost: { [GPU]: { resetMethods: ['flr', 'bus'] } },
    config: rules([GPU, { reset: ['bus'] }]),
    message: `cannot give ${GPU} to guest "win11": ${GPU} cannot be reset by bus: it is not alone on its bus`,
    hint: 'the kernel shows bus for it only because it was found first; it can be reset by flr',
  },
  {
    name: 'd3cold where the kernel has no such attribute',
    devices: [GPU],
    config: rules([GPU, { d3cold: false }]),
    first: (s) => {
      s.wrapHost = (host) => ({
        ...host,
        list: (path) => host.list(path)?.filter((name) => name !== 'd3cold_allowed'),
      });
    },
    message: `cannot give ${GPU} to guest "win11": ${GPU} has no d3cold_allowed`,
    hint: 'this kernel was built without ACPI or power management: take d3cold out of the rule',
  },
  {
    name: 'power of a function that libvirt binds itself',
    host: 'sriov-nic',
    devices: [{ kind: 'interface', address: pci(VF), managed: true }],
    config: rules([VF, { power: 'on' }]),
    message: `cannot give ${VF} to guest "win11": its power control cannot stay on: libvirt binds it to vfio-pci after this hook, which sets it`,
    hint: "take power out of the rule for it, or assign it with managed='no'",
  },
];

describe('a start is refused for', () => {
  const scenario = scenarios();

  for (const { name, devices, message, hint, first, ...options } of refused) {
    it(name, async () => {
      const s = scenario({ ...options, vfioLoaded: true });
      first?.(s);
      const error = await failureOf(s.prepare(guest('win11', ...devices)));
      assert.equal(error.message, message);
      assert.equal(hintText(error.hints[0]!), hint);
      assert.deepEqual(s.writes(), []);
      s.nothingDiffers();
    });
  }
});

describe('devices that libvirt moves', () => {
  const scenario = scenarios();

  it('are set while they are on their driver, and put back once libvirt has put them there', async () => {
    const s = scenario({
      host: 'sriov-nic',

      config: rules([VF, { reset: [] }]),
      vfioLoaded: true,
    });
    await s.prepare(guest('vm', { kind: 'interface', address: pci(VF), managed: true }));
    assert.deepEqual(s.writes(), [`${VF}/reset_method < ""`]);
    await s.release('vm');
    assert.deepEqual(s.writes(), [`${VF}/reset_method < flr`]);
    s.nothingDiffers();
  });

  it('and has chosen itself are set where they are, and put back', async () => {
    const s = scenario({
      host: 'sriov-nic',

      config: rules([VF, { reset: [], power: 'on' }]),
      vfioLoaded: true,
    });
    const driver = s.driver(VF);
    const before = s.observation();
    await s.moveByHand(VF, 'vfio-pci');
    await s.prepare(guest('vm', { kind: 'network', address: pci(VF), managed: true }));
    assert.deepEqual(s.writes(), [`${VF}/reset_method < ""`, `${VF}/power/control < on`]);
    await s.byHand(`/sys/bus/pci/drivers/vfio-pci/unbind`, VF);
    await byHand(s, VF, 'driver_override', '\n');
    await s.byHand(`/sys/bus/pci/drivers/${driver}/bind`, VF);
    s.writes();
    await s.release('vm');
    assert.deepEqual(s.writes(), [`${VF}/reset_method < flr`]);
    s.nothingDiffers(before);
  });
});
