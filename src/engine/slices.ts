import type { Claim } from '../claim/claim.ts';
import type { Config, MdevRule, VgpuRule } from '../config/config.ts';
import type { HoldId } from '../claim/hold.ts';
import type { Hostdev } from '../domain/domain.ts';
import { VfioHookError } from '../errors.ts';
import { advice } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { groupOf } from '../observe/read-device.ts';
import { vgpuFunction } from '../observe/vgpu.ts';
import { routingOf, virtualFunctions } from '../observe/virtual-functions.ts';
import type { PciAddress } from '../pci/address.ts';
import type { Mdev } from '../pci/mdev.ts';
import { countOf, promisedAddresses } from '../pci/routing.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Wish } from '../resource/kind.ts';
import { wishesOf } from '../resource/wishes.ts';
import { vgpuCardOf } from './vgpu-cards.ts';

/*
 * Slices of cards for whoever is no guest of libvirt. `run --vf CARD` and `detach --vf CARD` take a free virtual function.
 * Which one is chosen under the lock of its card, and the plan decides about it once more: it is claimed, or the next one
 * is tried. `--mdev TYPE` has a mediated device made.
 */

/** What somebody wants of cards that stay with the host. */
export interface SliceRequest {
  /** Cards that one is wanted of, each time it is in the list. */
  readonly slices?: readonly PciAddress[] | undefined;
  /** What is to live on each virtual function that stays on NVIDIA's driver. */
  readonly vgpu?: Pick<VgpuRule, 'type' | 'params'> | undefined;
  /** Mediated devices that are to be made: UUIDs that nobody has, with a parent and a type as the configuration has them. */
  readonly mdevs?: readonly MdevRequest[] | undefined;
}

/** A mediated device that is to be made. */
export type MdevRequest = Mdev & { readonly uuid: string };

/** What the choice of functions is made under, by the names that locks go by. */
export function heldBySlices({ slices = [], vgpu }: SliceRequest): readonly HoldId[] {
  return [
    ...slices.map((key): HoldId => ({ kind: 'vfs', key })),
    ...(vgpu || slices.length > 0 ? [{ kind: 'vgpu', key: slices[0] ?? '' } as const] : []),
  ];
}

/**
 * What an owner that is no guest gets besides devices: what these need, which is numbers of virtual functions and vGPUs,
 * and mediated devices.
 */
export function wishesForDevices(
  host: Host,
  config: Config,
  devices: readonly PciAddress[],
  { vgpu, mdevs = [] }: SliceRequest,
): readonly Wish[] {
  const { sriov } = config;
  const asked = devices.flatMap((vf): VgpuRule[] =>
    vgpu && vgpuCardOf(host, vf, sriov) !== undefined ? [{ vf, ...vgpu }] : [],
  );
  const hostdevs = [
    ...devices.map((address): Hostdev => ({ kind: 'pci', address, managed: false })),
    ...mdevs.map(({ uuid }): Hostdev => ({ kind: 'mdev', uuid, managed: false })),
  ];
  const mdev = mdevs.map((each): MdevRule => ({ ...each, attributes: [] }));
  return wishesOf(
    { sriov, vgpu: [...config.vgpu, ...asked], mdev },
    { name: '', hostdevs },
    {
      routingOf: (card) => routingOf(host, card),
      vgpuCardOf: (address) => vgpuCardOf(host, address, sriov),
    },
  );
}

/** Free functions for a choice, in the order of the request; `without` were tried in vain. */
export interface Choice {
  readonly claims: readonly Claim[];
  readonly config: Config;
  readonly without: ReadonlySet<PciAddress>;
}

/** Chooses them. Throws VH_REFUSED where a card has none that is free, or would have none at all. */
export function chooseSlices(
  host: Host,
  { slices = [] }: SliceRequest,
  { claims, config, without }: Choice,
): readonly PciAddress[] {
  const chosen: PciAddress[] = [];
  for (const card of slices) {
    const all = functionsOf(host, card, config);
    if (all.length === 0) throw noFunctions(host, card);
    const free = all.find((vf) => !chosen.includes(vf) && !without.has(vf) && isFree(host, vf, claims));
    if (free === undefined) throw noneFree(card, all.length);
    chosen.push(free);
  }
  return chosen;
}

/** Those that a card has, or will have by the configuration. */
function functionsOf(host: Host, card: PciAddress, { sriov }: Config): readonly PciAddress[] {
  const there = virtualFunctions(host, card);
  if (there.length > 0) return there;
  const rule = sriov.find(({ pf }) => pf === card);
  const routing = routingOf(host, card);
  return rule && routing ? promisedAddresses(card, countOf(rule.vfs, routing), routing) : [];
}

function isFree(host: Host, address: PciAddress, claims: readonly Claim[]): boolean {
  const isClaimed = claims.some(
    ({ devices, holds }) =>
      devices.some((device) => device.address === address) ||
      holds.some(({ kind, key }) => kind === 'vgpu' && key === address),
  );
  if (isClaimed || (vgpuFunction(host, address)?.type ?? 0) !== 0) return false;
  const group = groupOf(host, address);
  return group === undefined || host.tryOpen(sysfs.vfioGroup(group)) !== 'busy';
}

function noFunctions(host: Host, card: PciAddress): VfioHookError {
  const routing = routingOf(host, card);
  if (!routing)
    return new VfioHookError('VH_REFUSED', `${card} makes no virtual functions`, {
      device: card,
      hints: [advice('name the card (physical function) that is to have them; vfio-hook groups shows it')],
    });
  const number = routing.byProgram ? 'all' : String(Math.min(routing.total, 4));
  return new VfioHookError(
    'VH_REFUSED',
    `${card} has no virtual functions, and the configuration does not say how many it is to have`,
    {
      device: card,
      hints: [advice(`write into /etc/vfio-hook/config.yaml: sriov: [{ pf: "${card}", vfs: ${number} }]`)],
    },
  );
}

function noneFree(card: PciAddress, number: number): VfioHookError {
  return new VfioHookError('VH_REFUSED', `none of the ${number} virtual functions of ${card} is free`, {
    device: card,
    hints: [advice('see who has them: vfio-hook status')],
  });
}
