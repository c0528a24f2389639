import { claims as isClaimedBy, type Claim } from '../../claim/claim.ts';
import type { StateOf } from '../../claim/hold.ts';
import { ownerPhrase } from '../../claim/owner.ts';
import { count as counted } from '../../count.ts';
import { advice, command } from '../../hint.ts';
import { busOf, comparePciAddresses, parsePciAddress, type PciAddress } from '../../pci/address.ts';
import { deviceAt, type Snapshot } from '../../pci/snapshot.ts';
import { sysfs } from '../../pci/sysfs.ts';
import { isVfioName } from '../../pci/vfio-name.ts';
import type { Step } from '../../steps/step.ts';
import type { PhysicalFunctionFacts } from '../facts.ts';
import type { Ahead, KindOf, Refusal } from '../kind.ts';
import { promisedAddresses } from '../../pci/routing.ts';
import { promisedFunction } from './promised.ts';

/**
 * The virtual functions of a card (drivers/pci/iov.c), there for as long as a guest has one of them.
 *
 * - The number is the host's: the administrator's virtual functions stay, and only have to be enough; others are made
 *   with the first wish, and go with the last.
 * - One number becomes another only by way of 0 (sriov_numvfs_store: EBUSY), which would take away what is in use.
 * - The card is awake meanwhile, and drivers of the host leave new ones alone unless the configuration wants it otherwise.
 */
export const vfs: KindOf<'vfs'> = {
  stage: 'make',
  changesDevices: true,
  attributes: ['power-control', 'vfs-autoprobe', 'vfs'],
  writes: (key, { path }) => ['-e', '-d'].some((action) => path === `sriov-manage ${action} ${key}`),
  lock: (key) => lockOfFunctions(addressOf(key)),
  isNone: ({ count }) => count === 0,
  target: (original, wishes) =>
    original.count > 0 || wishes.length === 0
      ? original
      : {
          count: Math.max(...wishes.map(({ count }) => count)),
          autoprobe: wishes.every(({ autoprobe }) => autoprobe),
          power: 'on',
        },
  conflict: ({ key, original, wish, others, facts, claims }) => {
    if (original.count > 0) {
      return wish.count <= original.count
        ? undefined
        : (makesNone(key, facts) ??
            tooFew(key, `${counted(original.count, 'is', 'are')} there already`, wish.count, claims));
    }
    const other = others.find(({ wish: { count } }) => count !== wish.count);
    return (
      other && tooFew(key, `${other.owner} has them with ${other.wish.count} in all`, wish.count, claims)
    );
  },
  guard: (ahead, claims) => {
    const { key, seen, to } = ahead;
    if (seen.state.count === to.count) return [];
    if (seen.state.count > 0 && to.count > 0) {
      return [tooFew(key, `${counted(seen.state.count, 'is', 'are')} there already`, to.count, claims)];
    }
    return to.count === 0 ? [] : hindrances(ahead, claims);
  },
  reach: ({ key, seen: { state, facts }, to }, claims) => {
    const left = facts.open === '' ? heldFunction(key, claims) : facts.open;
    return to.count < state.count && left !== undefined ? { to: state, left } : undefined;
  },
  steps: ({ key, seen: { state, facts }, to }) => {
    const device = addressOf(key);
    const power: Step[] =
      state.power === to.power
        ? []
        : [{ kind: 'set', attribute: 'power-control', key: device, to: to.power }];
    const autoprobe: Step[] =
      state.autoprobe === to.autoprobe
        ? []
        : [{ kind: 'set', attribute: 'vfs-autoprobe', key: device, to: to.autoprobe ? '1' : '0' }];
    const number: Step[] = state.count === to.count ? [] : [numberStep(device, to.count, facts)];
    // A card that sleeps makes none, and what is made is offered to drivers at once.
    return to.count < state.count ? [...number, ...autoprobe, ...power] : [...power, ...autoprobe, ...number];
  },
  expect: expectedAfter,
  subject: (key) => `virtual functions of ${key}`,
  words: (_key, { count }) => counted(count, 'virtual function'),
};

/** How the number is set: by the kernel's own attribute, or by the program of a driver that has none. */
function numberStep(device: PciAddress, count: number, { byProgram }: PhysicalFunctionFacts): Step {
  if (byProgram) return { kind: 'sriov-manage', device, to: count === 0 ? 'none' : 'all' };
  return { kind: 'set', attribute: 'vfs', key: device, to: String(count) };
}

/** The lock of everything that is about the virtual functions of a card. */
export function lockOfFunctions(card: PciAddress): string {
  return `virtual functions of ${card}`;
}

/** Who was handed one of the virtual functions without holding them: they were there already, by whatever way. */
function heldFunction(key: string, claims: readonly Claim[]): string | undefined {
  return usersOf(key, claims).map(({ address, owner }) => `${address} is held by ${owner}`)[0];
}

/** Which virtual functions of a card are in claims, and whose. */
function usersOf(
  key: string,
  claims: readonly Claim[],
): readonly { readonly address: PciAddress; readonly owner: string }[] {
  return claims.flatMap(({ owner, devices }) =>
    devices
      .filter(({ physicalFunction }) => physicalFunction === key)
      .map(({ address }) => ({ address, owner: ownerPhrase(owner) })),
  );
}

function hindrances(
  { key, seen: { facts }, to }: Ahead<StateOf<'vfs'>, PhysicalFunctionFacts>,
  claims: readonly Claim[],
): Refusal[] {
  const device = addressOf(key);
  const owner = claims.find((claim) => isClaimedBy(claim, device))?.owner;
  if (owner)
    return [
      {
        reason: `${ownerPhrase(owner)} has the card itself`,
        hints: [advice('a card is for one guest, or its virtual functions are for many')],
      },
    ];
  if (facts.driver === '' || isVfioName(facts.driver)) {
    const state = facts.driver === '' ? 'has no driver' : `is on ${facts.driver}`;
    return [
      {
        reason: `the card ${state}, and only its own driver makes them`,
        hints: [command(`echo ${key} > ${sysfs.driversProbe}`)],
      },
    ];
  }
  if (facts.byProgram && to.count !== facts.total) {
    return [
      {
        reason: `sriov-manage makes all ${facts.total} of them, and ${to.count} are wanted`,
        hints: [advice(`write vfs: all for ${key} in config.yaml`)],
      },
    ];
  }
  const none = facts.byProgram ? undefined : makesNone(key, facts);
  if (none) return [none];
  if (to.count > facts.total) {
    return [
      {
        reason: `the card can have ${facts.total}, and ${to.count} are wanted`,
        hints: [advice(`change vfs of ${key} in config.yaml`)],
      },
    ];
  }
  return [];
}

/** Why a driver makes no virtual functions by sriov_numvfs, where that is known: the kernel's answer would be ENOENT. */
export function makesNone(
  key: string,
  { driver, deals, total, vendor, class: code }: PhysicalFunctionFacts,
): Refusal | undefined {
  switch (driver) {
    case 'nvidia':
      return {
        reason: 'the driver nvidia makes none that way: a program of its vGPU host driver does',
        hints: [command(`/usr/lib/nvidia/sriov-manage -e ${key}`)],
      };
    case 'gim':
      return {
        reason: 'the driver gim makes them when its module is loaded, and at no other time',
        hints: [
          advice('set vf_num of module gim in /etc/modprobe.d, and restart the host'),
          advice(`take vfs of ${key} out of config.yaml: those that are there are for guests all the same`),
        ],
      };
    case 'amdgpu':
      return {
        reason:
          'the driver amdgpu makes none: of AMD’s cards only Instinct and the old MxGPU ones have them, by the driver gim',
        hints: [advice('assign the card as a whole')],
      };
    case 'i915':
      if (deals) return undefined;
      return {
        reason: 'the i915 of the kernel makes none',
        hints: [
          advice(
            'newer cards have them by the driver xe; others by the i915 of i915-sriov-dkms, with i915.max_vfs',
          ),
        ],
      };
    default:
      if (total > 0 || vendor !== '8086' || !code.startsWith('03')) return undefined;
      return {
        reason: `the driver ${driver} offers none for this card`,
        hints: [
          advice(
            'max_vfs of its module may be 0, or GuC firmware be off; xe offers them for Battlemage and Panther Lake, and for others with force_probe',
          ),
        ],
      };
  }
}

function tooFew(key: string, there: string, wanted: number, claims: readonly Claim[]): Refusal {
  const users = [...new Set(usersOf(key, claims).map(({ address, owner }) => `${owner} (${address})`))];
  return {
    reason: `${there}, and ${wanted} are wanted: the number changes only by way of 0, which takes all of them away`,
    hints: [
      advice(
        `end every guest that has one of them first${users.length > 0 ? `, which is ${users.join(', ')}` : ''}, or set vfs of ${key} in config.yaml to the number that is there`,
      ),
    ],
  };
}

function expectedAfter(
  snapshot: Snapshot,
  { key, seen, to }: Ahead<StateOf<'vfs'>, PhysicalFunctionFacts>,
  asked: readonly PciAddress[],
): Snapshot {
  const physical = addressOf(key);
  const all = promisedAddresses(physical, to.count, seen.facts);
  const isBeside = (address: PciAddress): boolean => busOf(address) === busOf(physical);
  const there = snapshot.devices
    .filter(({ address, physicalFunction }) => physicalFunction !== physical || all.includes(address))
    .map((device) =>
      device.address === physical
        ? {
            ...device,
            powerControl: to.power,
            sriov: { totalVfs: seen.facts.total, numVfs: to.count },
            ...(device.resetMethods && all.some(isBeside) && { sharesBus: true as const }),
          }
        : device,
    );
  const made = all
    .filter((address) => asked.includes(address) && !deviceAt(snapshot, address))
    .map((address) => promisedFunction(address, physical, seen.facts))
    // Its driver takes them at once, and there is no vGPU on them.
    .map((made) => (seen.facts.byProgram ? { ...made, driver: 'nvidia', vgpuType: 0 } : made));
  return {
    ...snapshot,
    devices: [...there, ...made].sort((a, b) => comparePciAddresses(a.address, b.address)),
  };
}

function addressOf(key: string): PciAddress {
  const address = parsePciAddress(key);
  if (!address) throw new Error(`${JSON.stringify(key)} is no PCI address`);
  return address;
}
