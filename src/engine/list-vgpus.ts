import type { Claim, ClaimOwner } from '../claim/claim.ts';
import { gpuInstances, type GpuInstance } from '../observe/mig.ts';
import { offeredTypes, openVgpu, vgpuFunctions, type VgpuFunction } from '../observe/vgpu.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import { virtualFunctions } from '../observe/virtual-functions.ts';
import type { Host } from '../host/host.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { isDisplay } from '../pci/class.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { VgpuType } from '../pci/vgpu.ts';
import { knownTypes, textOf } from '../resource/vgpu/types.ts';
import type { Engine } from './engine.ts';

/** An NVIDIA card that can have virtual functions, and what is on them. */
export interface VgpuCard {
  readonly address: PciAddress;
  readonly vendor: string;
  readonly device: string;
  /** Six and two hexadecimal digits, as in PciDevice. */
  readonly class: string;
  readonly revision: string;
  /** Absent: it has none. */
  readonly driver?: string;
  readonly totalVfs: number;
  /**
   * What becomes of its virtual functions: `vgpu` when they stay on NVIDIA's driver, `mdev` when they are parents of
   * mediated devices, `other` when the driver that is loaded makes no vGPUs, `unknown` while there are none.
   */
  readonly framework: 'vgpu' | 'mdev' | 'other' | 'unknown';
  /** What could be made on a free one now. */
  readonly creatable: readonly VgpuType[];
  /** What a card in MIG mode is cut into; none for every other card, and for one in that mode before they are made. */
  readonly gpuInstances: readonly GpuInstance[];
  readonly functions: readonly ListedVgpu[];
}

/** A virtual function. */
export interface ListedVgpu extends VgpuFunction {
  /** Absent: nothing on it, or its name is not known. */
  readonly name?: string;
  readonly owner?: ClaimOwner;
  /** Who has it open, in words; absent: nobody. */
  readonly openBy?: string;
}

/** How long a driver may take to tell. */
const ANSWER_MS = 5000;

/** Looks at every such card. Changes nothing. Throws VH_STUCK when a driver does not tell. */
export async function listVgpus({ host, store }: Engine): Promise<readonly VgpuCard[]> {
  const { claims } = store.all();
  const cards: VgpuCard[] = [];
  for (const name of host.list(sysfs.devices) ?? []) {
    const address = parsePciAddress(name);
    if (address && isCard(host, address)) cards.push(await cardAt(host, address, claims));
  }
  return cards;
}

function isCard(host: Host, address: PciAddress): boolean {
  const text = (name: string): string => (host.read(sysfs.attribute(address, name)) ?? '').trim();
  return (
    text('vendor') === '0x10de' &&
    isDisplay(text('class').replace(/^0x/, '')) &&
    Number(text('sriov_totalvfs') || 0) > 0
  );
}

async function cardAt(host: Host, address: PciAddress, claims: readonly Claim[]): Promise<VgpuCard> {
  const text = (name: string): string => (host.read(sysfs.attribute(address, name)) ?? '').trim();
  const id = (name: string): string => text(name).replace(/^0x/, '');
  const there = virtualFunctions(host, address);
  const functions = vgpuFunctions(host, address);
  const creatable = await offeredTypes(host, address, ANSWER_MS);
  const known = knownTypes({ known: textOf(creatable) }, claims);
  const driver = boundDriver(host, address);
  return {
    address,
    vendor: id('vendor'),
    device: id('device'),
    class: id('class'),
    revision: id('revision'),
    ...(driver !== undefined && { driver }),
    totalVfs: Number(text('sriov_totalvfs')),
    framework: frameworkOf(host, there, functions),
    creatable,
    gpuInstances: await gpuInstances(host, address, ANSWER_MS),
    functions: functions.map((each) => {
      const found = known.find(({ id }) => id === each.type);
      const owner = ownerOf(each.address, claims);
      const openBy = openVgpu(host, each.address);
      return {
        ...each,
        ...(found && { name: found.name }),
        ...(owner && { owner }),
        ...(openBy !== undefined && { openBy: openBy.replace(/^\S+ is open in /, '') }),
      };
    }),
  };
}

function frameworkOf(
  host: Host,
  there: readonly PciAddress[],
  functions: readonly VgpuFunction[],
): VgpuCard['framework'] {
  if (functions.length > 0) return 'vgpu';
  const [first] = there;
  if (first === undefined) return 'unknown';
  const isParent = host.list(sysfs.attribute(first, 'mdev_supported_types')) !== undefined;
  return isParent ? 'mdev' : 'other';
}

/** Who holds its vGPU, or was handed it. */
function ownerOf(address: PciAddress, claims: readonly Claim[]): ClaimOwner | undefined {
  return claims.find(
    ({ devices, holds }) =>
      devices.some((device) => device.address === address) ||
      holds.some(({ kind, key }) => kind === 'vgpu' && key === address),
  )?.owner;
}
