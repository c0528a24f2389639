import { parsePciAddress, type PciAddress } from './address.ts';
import { isDisplay } from './class.ts';
import type { PciDevice } from './device.ts';

/** The first id of Turing, TU102. NVIDIA gives ids in order of its architectures, as the list at pci-ids.ucw.cz shows. */
const TURING = 0x1e00;

/** Whether a device is a GPU that cliques are made for: NVIDIA's, of Turing and later. */
export function knowsCliques(device: Pick<PciDevice, 'vendor' | 'device' | 'class'>): boolean {
  return device.vendor === '10de' && isDisplay(device.class) && parseInt(device.device, 16) >= TURING;
}

/** A device and the bridges on the way to it, the one at the root bus first. */
export interface PciPath {
  readonly address: PciAddress;
  readonly bridges: readonly PciAddress[];
}

/**
 * The way to a device, from the target of its link in /sys/bus/pci/devices, such as
 * `../../../devices/pci0000:16/0000:16:02.0/0000:17:00.0/0000:18:08.0/0000:19:00.0`.
 */
export function pciPath(address: PciAddress, linkTarget: string): PciPath {
  // What is above the last root bus is no bridge: a device that makes a domain of its own (Intel VMD).
  const below = linkTarget.split('/pci').at(-1) ?? '';
  const steps = below.split('/').flatMap((step) => parsePciAddress(step) ?? []);
  return { address, bridges: steps.filter((step) => step !== address) };
}

/**
 * The upstream port of the outermost PCI Express switch above a device; undefined when there is no switch.
 * A switch is two bridges below a root port: its upstream port and one of its downstream ports. One bridge
 * alone is a bridge to conventional PCI, or a card's own.
 */
function outermostSwitch({ bridges }: PciPath): PciAddress | undefined {
  return bridges.length >= 3 ? bridges[1] : undefined;
}

/** Devices by the outermost switch that they share, in order; those that share none are left out. */
export function switchNeighbours(paths: readonly PciPath[]): readonly (readonly PciAddress[])[] {
  const below = new Map<PciAddress, PciAddress[]>();
  for (const path of paths) {
    const upstream = outermostSwitch(path);
    if (upstream !== undefined) below.set(upstream, [...(below.get(upstream) ?? []), path.address]);
  }
  return [...below.values()].filter((members) => members.length > 1);
}

/**
 * GPUDirect cliques: which of these devices may send peer-to-peer traffic to each other. Devices below one
 * switch share a clique, since the switch passes such traffic on by itself; between root ports it is optional
 * for the hardware (docs/vfio.md of Cloud Hypervisor, hw/vfio/pci-quirks.c of QEMU). A device that shares
 * with no other has no clique. Numbers begin at 0, in order of the devices; the cliques beyond
 * {@link MOST_CLIQUES} get none.
 *
 * Whether the devices are of a kind that knows cliques is for the caller to say: {@link knowsCliques}.
 */
export function gpuDirectCliques(paths: readonly PciPath[]): ReadonlyMap<PciAddress, number> {
  const shared = switchNeighbours(paths).slice(0, MOST_CLIQUES);
  return new Map(
    shared.flatMap((members, number) => members.map((address): [PciAddress, number] => [address, number])),
  );
}

/** A clique's number has four bits. */
export const MOST_CLIQUES = 16;
