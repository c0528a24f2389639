import assert from 'node:assert/strict';
import { defaultConfig, type Config, type DeviceRule } from '../../src/config/config.ts';
import { parseDeviceMatch } from '../../src/config/match.ts';
import type { Hostdev } from '../../src/domain/domain.ts';
import { guest, pci, scenarios, type Scenario, type ScenarioOptions } from '../scenario.ts';

const MIB = 2 ** 20;
const GPU = '0000:03:00.0';
const SOUND = '0000:03:00.1';
const NIC = '0000:02:01.0';
const NIC_SIBLING = '0000:02:02.0';
const VF = '0000:17:02.0';
const MLX_VF = '0000:b1:00.2';

/** A configuration with one rule. */
function rule(match: string, rest: Partial<DeviceRule>): Partial<Config> {
  return { ...defaultConfig, devices: [{ match: parseDeviceMatch(match)!, bars: new Map(), ...rest }] };
}

const smallBar = rule('vga', { bars: new Map([[2, 8 * MIB]]) });

/** One whole life of a guest. The machine must be at its end as it was after `first`. */
interface Life extends ScenarioOptions {
  readonly name: string;
  /** What the guest is assigned. */
  readonly devices: readonly (string | Hostdev)[];
  /** Before the start, such as a user at a shell. */
  readonly first?: (s: Scenario) => Promise<void> | void;
  /** Writes of the start. */
  readonly start: readonly string[];
  /** Drivers while the guest runs. */
  readonly held: Readonly<Record<string, string>>;
  /** While the guest runs, by others. */
  readonly meanwhile?: (s: Scenario) => Promise<void> | void;
  /** Writes of the end. */
  readonly end: readonly string[];
}

const loadVfio = (s: Scenario): void => {
  s.happens({ do: 'load', module: 'vfio-pci' });
};

const startOfBoth = [
  `${GPU}/driver_override < vfio-pci`,
  `${SOUND}/driver_override < vfio-pci`,
  `snd_hda_intel/unbind < ${SOUND}`,
  `amdgpu/unbind < ${GPU}`,
  `vfio-pci/bind < ${GPU}`,
  `vfio-pci/bind < ${SOUND}`,
];
const endOfBoth = [
  `vfio-pci/unbind < ${SOUND}`,
  `vfio-pci/unbind < ${GPU}`,
  `${GPU}/driver_override < ""`,
  `${SOUND}/driver_override < ""`,
  `amdgpu/bind < ${GPU}`,
  `snd_hda_intel/bind < ${SOUND}`,
  `${SOUND}/power/control < auto`,
];
const bothHeld = { [GPU]: 'vfio-pci', [SOUND]: 'vfio-pci' };

const lives: readonly Life[] = [
  {
    name: 'moves the whole group though only its first function is assigned, and loads vfio-pci for it',
    devices: [GPU],
    start: ['load vfio-pci', ...startOfBoth],
    held: { ...bothHeld, '0000:02:00.0': 'pcieport', '0000:0f:00.0': 'amdgpu' },
    end: endOfBoth,
  },
  {
    name: 'resizes a BAR between the drivers, on the way there and on the way back',
    devices: [GPU, SOUND],
    config: smallBar,
    first: loadVfio,
    start: [...startOfBoth.slice(0, 4), `${GPU}/resource2_resize < 3`, ...startOfBoth.slice(4)],
    held: bothHeld,
    end: [...endOfBoth.slice(0, 2), `${GPU}/resource2_resize < 8`, ...endOfBoth.slice(2)],
  },
  {
    name: 'takes a device off vfio-pci for the resize, and puts it there again when the size is back',
    devices: [GPU],
    config: smallBar,
    first: async (s) => {
      loadVfio(s);
      await s.moveByHand(GPU, 'vfio-pci');
      await s.moveByHand(SOUND, 'vfio-pci');
    },
    start: [`vfio-pci/unbind < ${GPU}`, `${GPU}/resource2_resize < 3`, `vfio-pci/bind < ${GPU}`],
    held: bothHeld,
    end: [`vfio-pci/unbind < ${GPU}`, `${GPU}/resource2_resize < 8`, `vfio-pci/bind < ${GPU}`],
  },
  {
    name: 'leaves devices alone that are on vfio-pci already',
    devices: [GPU, SOUND],
    first: async (s) => {
      loadVfio(s);
      await s.moveByHand(GPU, 'vfio-pci');
      await s.moveByHand(SOUND, 'vfio-pci');
    },
    start: [],
    held: bothHeld,
    end: [],
  },
  {
    name: 'makes an originally driverless device driverless again',
    devices: [GPU],
    first: async (s) => {
      loadVfio(s);
      await s.moveByHand(SOUND, 'none');
    },
    start: startOfBoth.filter((write) => !write.startsWith('snd_hda_intel')),
    held: bothHeld,
    end: endOfBoth.filter((write) => !write.startsWith('snd_hda_intel')),
  },
  {
    name: 'brings back an override that names the bound driver, before the bind',
    devices: [GPU],
    first: async (s) => {
      loadVfio(s);
      await s.byHand(`/sys/bus/pci/devices/${GPU}/driver_override`, 'amdgpu');
    },
    start: startOfBoth,
    held: bothHeld,
    end: endOfBoth.map((write) =>
      write === `${GPU}/driver_override < ""` ? write.replace('""', 'amdgpu') : write,
    ),
  },
  {
    name: 'brings back an override that names another driver than the bound one, after the bind',
    devices: [GPU],
    first: async (s) => {
      loadVfio(s);
      await s.byHand(`/sys/bus/pci/devices/${GPU}/driver_override`, 'a driver of tomorrow');
    },
    start: startOfBoth,
    held: bothHeld,
    end: [...endOfBoth.slice(0, 6), `${GPU}/driver_override < a driver of tomorrow`, ...endOfBoth.slice(6)],
  },
  {
    name: 'finds the driver again that the guest’s override named, when that was vfio-pci from before',
    devices: [GPU],
    first: async (s) => {
      loadVfio(s);
      await s.byHand(`/sys/bus/pci/devices/${GPU}/driver_override`, 'vfio-pci');
    },
    start: startOfBoth.slice(1),
    held: bothHeld,
    end: [
      ...endOfBoth.slice(0, 2),
      `${GPU}/driver_override < ""`,
      `${SOUND}/driver_override < ""`,
      ...endOfBoth.slice(4, 6),
      `${GPU}/driver_override < vfio-pci`,
      ...endOfBoth.slice(6),
    ],
  },
  {
    name: 'leaves a sibling on pci-stub',
    devices: [GPU],
    first: async (s) => {
      loadVfio(s);
      await s.moveByHand(SOUND, 'pci-stub');
    },
    start: startOfBoth.filter((write) => write.includes(GPU)),
    held: { [GPU]: 'vfio-pci', [SOUND]: 'pci-stub' },
    end: endOfBoth.filter((write) => write.includes(GPU)),
  },
  {
    name: 'takes an assigned device from pci-stub, and gives it back to it',
    devices: [SOUND],
    first: async (s) => {
      loadVfio(s);
      await s.moveByHand(SOUND, 'pci-stub');
      await s.moveByHand(GPU, 'vfio-pci');
    },
    start: [`${SOUND}/driver_override < vfio-pci`, `pci-stub/unbind < ${SOUND}`, `vfio-pci/bind < ${SOUND}`],
    held: bothHeld,
    end: [
      `vfio-pci/unbind < ${SOUND}`,
      `${SOUND}/driver_override < pci-stub`,
      `pci-stub/bind < ${SOUND}`,
      `${SOUND}/power/control < auto`,
    ],
  },
  {
    name: 'leaves the bridge of a group, and takes both cards behind it',
    host: 'bridge-group',
    devices: [NIC],
    start: [
      'load vfio-pci',
      `${NIC}/driver_override < vfio-pci`,
      `${NIC_SIBLING}/driver_override < vfio-pci`,
      `snd_cmipci/unbind < ${NIC_SIBLING}`,
      `e1000/unbind < ${NIC}`,
      `vfio-pci/bind < ${NIC}`,
      `vfio-pci/bind < ${NIC_SIBLING}`,
    ],
    held: { [NIC]: 'vfio-pci', [NIC_SIBLING]: 'vfio-pci', '0000:01:00.0': 'none' },
    end: [
      `vfio-pci/unbind < ${NIC_SIBLING}`,
      `vfio-pci/unbind < ${NIC}`,
      `${NIC}/driver_override < ""`,
      `${NIC_SIBLING}/driver_override < ""`,
      `e1000/bind < ${NIC}`,
      `snd_cmipci/bind < ${NIC_SIBLING}`,
      `${NIC_SIBLING}/power/control < auto`,
    ],
  },
  {
    name: 'never touches a driverless chipset function of the group',
    devices: [GPU],
    devicesOfHost: { '0000:00:14.3': { group: 16 } },
    first: loadVfio,
    start: startOfBoth,
    held: { ...bothHeld, '0000:00:14.3': 'none' },
    end: endOfBoth,
  },
  {
    name: 'leaves a managed network function to libvirt, and finds it as libvirt left it',
    host: 'sriov-nic',
    devices: [{ kind: 'interface', address: pci(VF), managed: true }],
    first: loadVfio,
    start: [],
    held: { [VF]: 'iavf' },
    meanwhile: async (s) => {
      await s.moveByHand(VF, 'vfio-pci');
      await s.moveByHand(VF, 'iavf');
      await s.byHand(`/sys/bus/pci/devices/${VF}/driver_override`, '');
      await s.byHand(`/sys/bus/pci/devices/${VF}/power/control`, 'on');
    },
    end: [],
  },
  {
    name: 'gives a managed network function back itself when libvirt did not get that far',
    host: 'sriov-nic',
    devices: [{ kind: 'interface', address: pci(VF), managed: true }],
    first: loadVfio,
    start: [],
    held: { [VF]: 'iavf' },
    meanwhile: (s) => s.moveByHand(VF, 'vfio-pci'),
    end: [`vfio-pci/unbind < ${VF}`, `${VF}/driver_override < ""`, `iavf/bind < ${VF}`],
  },
  {
    name: 'leaves a virtual function with a vGPU on the vendor’s driver',
    host: 'nvidia-desktop',
    devices: ['0000:01:00.0'],
    devicesOfHost: { '0000:01:00.0': { vgpuType: 563, group: 40 } },
    start: ['load vfio_iommu_type1'],
    held: { '0000:01:00.0': 'nvidia' },
    end: [],
  },
  {
    name: 'is content when libvirt gave the devices back itself, override and all',
    devices: [{ kind: 'pci', address: pci(GPU), managed: true }],
    first: loadVfio,
    start: startOfBoth,
    held: bothHeld,
    meanwhile: async (s) => {
      await s.moveByHand(GPU, 'amdgpu');
      await s.byHand(`/sys/bus/pci/devices/${GPU}/driver_override`, '');
    },
    end: endOfBoth.filter((write) => write.includes(SOUND)),
  },
  {
    name: 'brings back an override that libvirt wiped',
    devices: [{ kind: 'pci', address: pci(GPU), managed: true }],
    first: async (s) => {
      loadVfio(s);
      await s.byHand(`/sys/bus/pci/devices/${GPU}/driver_override`, 'amdgpu');
    },
    start: startOfBoth,
    held: bothHeld,
    meanwhile: async (s) => {
      await s.moveByHand(GPU, 'amdgpu');
      await s.byHand(`/sys/bus/pci/devices/${GPU}/driver_override`, '');
    },
    end: [
      `vfio-pci/unbind < ${SOUND}`,
      `${GPU}/driver_override < amdgpu`,
      `${SOUND}/driver_override < ""`,
      `snd_hda_intel/bind < ${SOUND}`,
      `${SOUND}/power/control < auto`,
    ],
  },
  {
    name: 'loads the host driver’s module again when somebody unloaded it',
    devices: [GPU],
    devicesOfHost: { '0000:0f:00.1': { group: 16 } },
    first: loadVfio,
    start: [
      ...startOfBoth.slice(0, 2),
      '0000:0f:00.1/driver_override < vfio-pci',
      'snd_hda_intel/unbind < 0000:0f:00.1',
      ...startOfBoth.slice(2),
      'vfio-pci/bind < 0000:0f:00.1',
    ],
    held: bothHeld,
    meanwhile: (s) => {
      s.happens({ do: 'unload', module: 'snd_hda_intel' });
    },
    end: [
      'load snd_hda_intel',
      'vfio-pci/unbind < 0000:0f:00.1',
      ...endOfBoth.slice(0, 4),
      '0000:0f:00.1/driver_override < ""',
      ...endOfBoth.slice(4, 6),
      'snd_hda_intel/bind < 0000:0f:00.1',
      `${SOUND}/power/control < auto`,
      '0000:0f:00.1/power/control < auto',
    ],
  },
  {
    name: 'restores reset methods and power control that changed while the guest ran',
    devices: [NIC],
    host: 'bridge-group',
    devicesOfHost: { [NIC]: { resetMethods: ['flr', 'pm'], powerControl: 'auto' } },
    first: async (s) => {
      loadVfio(s);
      await s.byHand(`/sys/bus/pci/devices/${NIC}/reset_method`, 'pm flr');
      await s.moveByHand(NIC_SIBLING, 'pci-stub');
    },
    start: [`${NIC}/driver_override < vfio-pci`, `e1000/unbind < ${NIC}`, `vfio-pci/bind < ${NIC}`],
    held: { [NIC]: 'vfio-pci' },
    meanwhile: (s) => s.byHand(`/sys/bus/pci/devices/${NIC}/reset_method`, 'flr'),
    end: [
      `vfio-pci/unbind < ${NIC}`,
      `${NIC}/driver_override < ""`,
      `e1000/bind < ${NIC}`,
      `${NIC}/power/control < auto`,
      `${NIC}/reset_method < pm flr`,
    ],
  },
  {
    name: 'binds the variant driver of libvirt’s choice where there is one',
    host: 'server-8-gpu',
    devices: [MLX_VF],
    start: [
      'load mlx5_vfio_pci',
      'load vfio_iommu_type1',
      `${MLX_VF}/driver_override < mlx5_vfio_pci`,
      `mlx5_core/unbind < ${MLX_VF}`,
      `mlx5_vfio_pci/bind < ${MLX_VF}`,
    ],
    held: { [MLX_VF]: 'mlx5_vfio_pci' },
    end: [`mlx5_vfio_pci/unbind < ${MLX_VF}`, `${MLX_VF}/driver_override < ""`, `mlx5_core/bind < ${MLX_VF}`],
  },
];

describe('a guest’s life', () => {
  const scenario = scenarios();

  for (const { name, devices, first, start, held, meanwhile, end, ...options } of lives) {
    it(name, async () => {
      const s = scenario(options);
      await first?.(s);
      const before = s.observation();
      s.writes();

      await s.prepare(guest('win11', ...devices));
      assert.deepEqual(byCard(s.writes()), byCard(start));
      assert.deepEqual(Object.fromEntries(Object.keys(held).map((each) => [each, s.driver(each)])), held);
      assert.deepEqual(
        s.claims().map(({ state }) => state),
        ['held'],
      );

      await meanwhile?.(s);
      s.writes();
      await s.release('win11');
      assert.deepEqual(byCard(s.writes()), byCard(end));
      s.nothingDiffers(before);
    });
  }
});

/** Writes by the slot that they are about: the order in which two cards are written to is nobody's business. */
function byCard(writes: readonly string[]): Record<string, string[]> {
  const cards: Record<string, string[]> = {};
  for (const write of writes) {
    const slot = /[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}/.exec(write)?.[0] ?? 'none';
    (cards[slot] ??= []).push(write);
  }
  return cards;
}
