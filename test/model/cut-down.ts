import type { DeviceSpec, MachineSpec, MemorySpec } from '../../simulator/spec.ts';
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
