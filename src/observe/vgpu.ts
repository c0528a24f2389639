import { errnoOf, VfioHookError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import { parseVgpuTypes, type VgpuType } from '../pci/vgpu.ts';
import { describeHolders } from './describe-holders.ts';
import { notAnswering } from './not-answering.ts';
import { groupOf } from './read-device.ts';
import { virtualFunctions } from './virtual-functions.ts';

/** A virtual function that stays on NVIDIA's driver, which is its VFIO driver, too (branch 550 and later). */
export interface VgpuFunction {
  readonly address: PciAddress;
  /** The card. */
  readonly physical: PciAddress;
  /** Id of the type that lives on it; 0: none. */
  readonly type: number;
}

/** What is known of one; undefined for every other device. */
export function vgpuFunction(host: Host, address: PciAddress): VgpuFunction | undefined {
  const text = read(host, sysfs.vgpu(address, 'current_vgpu_type'));
  const physical = parsePciAddress(host.readLink(sysfs.attribute(address, 'physfn'))?.split('/').pop() ?? '');
  return text === undefined || !physical ? undefined : { address, physical, type: Number(text) || 0 };
}

/** Those of a card, in their order. */
export function vgpuFunctions(host: Host, physical: PciAddress): readonly VgpuFunction[] {
  return virtualFunctions(host, physical).flatMap((address) => vgpuFunction(host, address) ?? []);
}

/**
 * What a virtual function could be made now. The driver asks the card for it, which may take its time: so it is read
 * under a deadline. Throws VH_STUCK when that is over.
 */
export async function creatableTypes(
  host: Host,
  address: PciAddress,
  deadlineMs: number,
): Promise<readonly VgpuType[]> {
  const answer = await host.readSlow(sysfs.vgpu(address, 'creatable_vgpu_types'), PAGE, deadlineMs);
  if (answer.kind === 'stuck') throw notAnswering(answer);
  return parseVgpuTypes(new TextDecoder().decode(answer.bytes));
}

/**
 * The types that a card offers now, as its first free function lists them: one that is something lists nothing. None
 * where none is free. Throws VH_STUCK as {@link creatableTypes}.
 */
export async function offeredTypes(
  host: Host,
  physical: PciAddress,
  deadlineMs: number,
): Promise<readonly VgpuType[]> {
  const free = vgpuFunctions(host, physical).find(({ type }) => type === 0);
  return free ? creatableTypes(host, free.address, deadlineMs) : [];
}

/**
 * What other cards of the same model offer now: numbers and names of types are of a model, so that they tell of a card
 * without virtual functions. One whose driver does not answer tells nothing.
 */
export async function typesOfModel(host: Host, card: PciAddress): Promise<readonly VgpuType[]> {
  const model = modelOf(host, card);
  const types: VgpuType[] = [];
  for (const name of host.list(sysfs.devices) ?? []) {
    const other = parsePciAddress(name);
    if (!other || other === card || modelOf(host, other) !== model) continue;
    try {
      types.push(...(await offeredTypes(host, other, OTHERS_MS)));
    } catch (error) {
      if (!(error instanceof VfioHookError)) throw error;
    }
  }
  return types;
}

/** How long another card may keep one waiting, which can do without its answer. */
const OTHERS_MS = 2000;

function modelOf(host: Host, address: PciAddress): string {
  const ids = ['vendor', 'device', 'subsystem_vendor', 'subsystem_device'];
  return ids.map((id) => host.read(sysfs.attribute(address, id))?.trim() ?? '').join(' ');
}

/** An attribute is at most as long (fs/sysfs/file.c). */
const PAGE = 4096;

/** Who has a virtual function open, in words; undefined: nobody. By its group, or by its own node where iommufd is used. */
export function openVgpu(host: Host, address: PciAddress): string | undefined {
  const group = groupOf(host, address);
  const node = group === undefined ? undefined : sysfs.vfioGroup(group);
  if (node !== undefined && host.tryOpen(node) === 'busy') {
    return `${address} is open in ${describeHolders(host.holders([node]))}`;
  }
  const nodes = (host.list(sysfs.attribute(address, 'vfio-dev')) ?? [])
    .map(sysfs.vfioDevice)
    .filter((path) => host.status(path) !== undefined);
  const holders = host.holders(nodes);
  return holders.length === 0 ? undefined : `${address} is open in ${describeHolders(holders)}`;
}

/**
 * Whether NVIDIA's nvidia-vgpu-mgr runs, by the processes of its unit; `unknown` where systemd does not show its units in
 * one tree (control groups of version 2).
 */
export function vgpuManager(host: Host): 'running' | 'stopped' | 'unknown' {
  const units = host.list(sysfs.systemUnits);
  if (units === undefined) return 'unknown';
  const processes = host.read(`${sysfs.systemUnits}/nvidia-vgpu-mgr.service/cgroup.procs`)?.trim() ?? '';
  return processes === '' ? 'stopped' : 'running';
}

/** What a vGPU has, and nothing where there is none: then the driver answers ENXIO. */
export function readOfVgpu(host: Host, address: PciAddress, name: VgpuFile): string | undefined {
  return read(host, sysfs.vgpu(address, name));
}

type VgpuFile = Parameters<typeof sysfs.vgpu>[1];

function read(host: Host, path: string): string | undefined {
  try {
    return host.read(path)?.trim();
  } catch (error) {
    if (errnoOf(error) === 'ENXIO') return undefined;
    throw error;
  }
}
