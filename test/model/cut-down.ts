import type { DeviceSpec, MachineSpec, MemorySpec, VgpuSpec } from '../../simulator/spec.ts';
import type { Config } from '../../src/config/config.ts';
import type { Domain } from '../../src/domain/domain.ts';
import { guest, machineSpec, pci } from '../scenario.ts';

/*
 * Machines with little more than what is handed over: every state of them is compared with every other.
 */

/** The host's own graphics and keyboard stay on the machine: without them the GPU would be needed by the host. */
const OTHERS = ['0000:06:00.0', '0000:0f:00.0'];

/** The desktop with these devices. */
export function machine(
  kernel: MachineSpec['kernel'],
  devices: readonly string[],
  facts: Partial<MachineSpec> = {},
): MachineSpec {
  const spec = machineSpec('amd-rdna3-desktop');
  return { ...only(spec, [...devices, ...OTHERS]), kernel, ...facts };
}

/** A card that makes virtual functions, and where the first two are. It may sleep while it has none. */
export const CARD = pci('0000:02:00.0');
export const FUNCTIONS = ['0000:02:10.0', '0000:02:10.2'] as const;

/** A machine with {@link CARD}, and nothing else. */
export function cardMachine(): MachineSpec {
  return only(machineSpec('lab-q35', {}, { [CARD]: { powerControl: 'auto' } }), [CARD]);
}

export const cardConfig: Partial<Config> = { sriov: [{ pf: CARD, vfs: 2, autoprobe: false }] };

const PAGE_KB = 2048;

/** A machine with a pool of huge pages in which there are some, and nothing else. */
export function poolMachine(): MachineSpec {
  const room = 64 * PAGE_KB;
  const node = { totalKb: 2 * room, availableKb: room, wholeKb: room, pinnedKb: 0, pages: { [PAGE_KB]: 2 } };
  const memory: MemorySpec = { nodes: [node], sizesKb: [PAGE_KB], compacts: true };
  return { ...only(machineSpec('amd-rdna3-desktop'), []), memory };
}

export const poolConfig: Partial<Config> = { hugepages: { sizeKb: PAGE_KB, count: 'auto', node: 0 } };

/** A guest whose memory is so many huge pages. */
export function guestOf(name: string, pages: number): Domain {
  return { ...guest(name), ...(pages > 0 && { hugepages: [{ bytes: pages * PAGE_KB * 1024 }] }) };
}

/** What guests call the mediated devices that are made for them. */
export const SLICES = [
  '83b8f4f2-509f-382f-3c1e-e6bfe0fa1001',
  '83b8f4f2-509f-382f-3c1e-e6bfe0fa1002',
] as const;

/** A machine with a parent of mediated devices that is no PCI device and has room for so many, and nothing else. */
export function parentMachine(instances: number): MachineSpec {
  const spec = machineSpec('lab-q35');
  return { ...only(spec, []), mdevTypes: spec.mdevTypes.map((type) => ({ ...type, instances })) };
}

export const parentConfig = mediatedBy('auto', 'labvgpu-1');

/** A graphics card that makes mediated devices while it is on its own driver. */
export const PARENT_CARD = pci('0000:00:02.0');

/** A machine with {@link PARENT_CARD}, which is its only graphics card, and nothing else. */
export function parentCardMachine(): MachineSpec {
  const spec = machineSpec('intel-gvt-g');
  const machine = only(spec, [PARENT_CARD]);
  const module = spec.modules.filter(({ name }) => name === 'kvmgt');
  return {
    ...machine,
    devices: machine.devices.map((device) => ({ ...device, entries: {} })),
    // Without its consoles, which are not what is explored.
    console: { kind: 'none' },
    drivers: machine.drivers.map((driver) => ({ ...driver, console: false })),
    modules: [...machine.modules, ...module.map((each) => ({ ...each, loaded: true }))],
    mdevTypes: spec.mdevTypes.filter(({ name }) => name === GVT_TYPE),
  };
}

const GVT_TYPE = 'GVTg_V5_4';

export const parentCardConfig: Partial<Config> = {
  ...mediatedBy(PARENT_CARD, GVT_TYPE),
  devices: [
    { match: { by: 'address', address: PARENT_CARD }, bars: new Map(), allow: ['boot-vga', 'console'] },
  ],
};

function mediatedBy(parent: string, type: string): Partial<Config> {
  return { mdev: SLICES.map((uuid) => ({ uuid, parent, type, attributes: [] })) };
}

/** A guest with mediated devices that are called so. */
export function guestWith(name: string, ...uuids: readonly string[]): Domain {
  return guest(name, ...uuids.map((uuid) => ({ kind: 'mdev', uuid, managed: false }) as const));
}

const VGPU_CARD = '0000:41:00.0';

/** The virtual functions of the card of {@link vgpuMachine}, on which vGPUs live. */
export const VGPU_FUNCTIONS = [pci('0000:41:00.4'), pci('0000:41:00.5')] as const;

/** What a vGPU of a card can be, by how many of them the card has memory for. */
const VGPU_TYPES = { 1: 1156, 2: 1155 } as const;

/** A machine with a card of NVIDIA's whose two virtual functions are there, and nothing else. It can have so many vGPUs. */
export function vgpuMachine(room: keyof typeof VGPU_TYPES): MachineSpec {
  const spec = only(machineSpec('nvidia-vgpu-server'), [VGPU_CARD]);
  const devices = spec.devices.map(({ sriov, ...card }) => ({
    ...card,
    ...(sriov && { sriov: { ...sriov, totalVfs: 2, numVfs: 2, ...withVgpu(sriov.vgpu, VGPU_TYPES[room]) } }),
  }));
  return { ...spec, devices };
}

function withVgpu(vgpu: VgpuSpec | undefined, type: number): { readonly vgpu?: VgpuSpec } {
  return vgpu ? { vgpu: { ...vgpu, types: vgpu.types.filter(({ id }) => id === type) } } : {};
}

/** Each function is what the card of such a machine can make of it. */
export function vgpuConfig(room: keyof typeof VGPU_TYPES): Partial<Config> {
  return { vgpu: VGPU_FUNCTIONS.map((vf) => ({ vf, type: VGPU_TYPES[room] })) };
}

function only(spec: MachineSpec, addresses: readonly string[]): MachineSpec {
  const devices = spec.devices.filter(({ address }) => addresses.includes(address)).map(simplified);
  const drivers = spec.drivers.filter(
    ({ name }) => name === 'vfio-pci' || devices.some(({ driver }) => driver === name),
  );
  const modules = spec.modules.filter(
    ({ name }) => /vfio|irqbypass/.test(name) || drivers.some(({ module }) => module === name),
  );
  return { ...spec, devices, drivers, modules };
}

/** On the root bus, and with no network that the host needs: a guest would be refused the card. */
function simplified(device: DeviceSpec): DeviceSpec {
  const entries = Object.entries(device.entries).filter(([name]) => !name.startsWith('net/'));
  const copy = { ...device, entries: Object.fromEntries(entries) };
  Reflect.deleteProperty(copy, 'behind');
  return copy;
}
