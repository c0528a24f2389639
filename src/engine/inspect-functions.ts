import type { Claim } from '../claim/claim.ts';
import { ownerPhrase } from '../claim/owner.ts';
import { defaultConfig, type CardRule } from '../config/config.ts';
import { asFailure } from '../failure.ts';
import type { Hint } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import { profilePlace } from '../observe/function-profile.ts';
import { readFunctionSettings, type FunctionSettings } from '../observe/function-settings.ts';
import { isLinkUp, networkLink } from '../observe/network-link.ts';
import { groupOf } from '../observe/read-device.ts';
import { openBy, routingOf, virtualFunctionAt } from '../observe/virtual-functions.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { countOf, promisedAddresses } from '../pci/routing.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { SeenOf } from '../resource/kind.ts';
import { readHolds } from '../resource/readers.ts';
import { makesNone } from '../resource/sriov/vfs.ts';
import type { Engine } from './engine.ts';

/** A card that has virtual functions, or could have. */
export interface InspectedCard {
  readonly address: PciAddress;
  /** Absent: it has none. */
  readonly driver?: string;
  /** How many it can have, as its driver says. */
  readonly total: number;
  readonly count: number;
  /** Whether they are there because a guest wanted them, and go with the last. */
  readonly isOurs: boolean;
  readonly autoprobe: boolean;
  /** Why its driver makes none by sriov_numvfs, where that is known. */
  readonly makesNone?: { readonly reason: string; readonly hints: readonly Hint[] };
  /** The network interface that it is on the host. */
  readonly link?: { readonly name: string; readonly isUp: boolean; readonly isSwitchdev: boolean };
  /** How its driver deals out shares to functions. */
  readonly profile?: 'xe' | 'prelim';
  /** What config.yaml says of it. */
  readonly rule?: CardRule;
  /** Those that are there, and those that config.yaml promises. */
  readonly functions: readonly InspectedFunction[];
}

export interface InspectedFunction {
  readonly vf: number;
  readonly address: PciAddress;
  readonly isThere: boolean;
  /** IOMMU group, and whether other functions of the card share it. */
  readonly group?: number;
  readonly sharesGroup: boolean;
  /** Absent: it has none. */
  readonly driver?: string;
  /** Whose claim it is in: `guest "a"`. */
  readonly owner?: string;
  /** Who has it open, in words. */
  readonly open?: string;
  /** What its card keeps for it. */
  readonly settings?: FunctionSettings;
}

/** Cards with virtual functions, and what could not be looked at: sentences for a person. */
export interface InspectedFunctions {
  readonly cards: readonly InspectedCard[];
  readonly notes: readonly string[];
}

/** Milliseconds that the kernel may take to answer for a card. */
const DEADLINE_MS = 5000;

/**
 * Looks at every card that offers virtual functions: what it could make, what is there, who has what, and what config.yaml
 * promises. Changes nothing. Works without root, as far as it goes. Throws VH_STUCK when the kernel does not answer.
 */
export async function inspectFunctions(engine: Engine): Promise<InspectedFunctions> {
  const { host } = engine;
  const notes: string[] = [];
  const claims = orNote(notes, [], () => engine.store.all().claims);
  const { sriov } = orNote(notes, defaultConfig, () => engine.loadConfig());
  const cards: InspectedCard[] = [];
  for (const name of host.list(sysfs.devices) ?? []) {
    const address = parsePciAddress(name);
    if (!address || host.read(sysfs.attribute(address, 'sriov_totalvfs')) === undefined) continue;
    const rule = sriov.find(({ pf }) => pf === address);
    cards.push(await inspectCard(host, address, { claims, notes, ...(rule && { rule }) }));
  }
  return { cards, notes: [...new Set(notes)] };
}

interface Known {
  readonly claims: readonly Claim[];
  readonly notes: string[];
  readonly rule?: CardRule;
}

async function inspectCard(
  host: Host,
  address: PciAddress,
  { claims, notes, rule }: Known,
): Promise<InspectedCard> {
  const id = { kind: 'vfs', key: address } as const;
  // Sound, though not proven by the type: what is read of a kind is of that kind.
  const seen = (await readHolds(host, [id], DEADLINE_MS))(id) as SeenOf<'vfs'> | undefined;
  const { count = 0, autoprobe = true } = seen?.state ?? {};
  const { total = 0, driver = '' } = seen?.facts ?? {};
  const none = seen && count === 0 ? makesNone(address, seen.facts) : undefined;
  const name = networkLink(host, address);
  const place = profilePlace(host, address);
  const settings =
    name === undefined || count === 0
      ? []
      : await readFunctionSettings(host, name, DEADLINE_MS).catch((error: unknown) => noted(notes, error));
  return {
    address,
    ...(driver !== '' && { driver }),
    total,
    count,
    isOurs: claims.some(({ holds }) =>
      holds.some((hold) => hold.kind === 'vfs' && hold.key === address && hold.original.count === 0),
    ),
    autoprobe,
    ...(none && { makesNone: none }),
    ...(name !== undefined && {
      link: { name, isUp: isLinkUp(host, address, name), isSwitchdev: isSwitchdev(host, address, name) },
    }),
    ...(place && { profile: place.interface }),
    ...(rule && { rule }),
    functions: functionsOf(host, address, { count, claims, settings, ...(rule && { rule }) }),
  };
}

interface OfCard {
  readonly count: number;
  readonly claims: readonly Claim[];
  readonly settings: readonly FunctionSettings[];
  readonly rule?: CardRule;
}

function functionsOf(
  host: Host,
  card: PciAddress,
  { count, claims, settings, rule }: OfCard,
): readonly InspectedFunction[] {
  const routing = routingOf(host, card) ?? { offset: 0, stride: 0 };
  const promised = promisedAddresses(card, Math.max(count, countOf(rule?.vfs, routing)), routing);
  const addresses = promised.map((address, vf) => virtualFunctionAt(host, card, vf) ?? address);
  const groups = addresses.map((address) => groupOf(host, address));
  return addresses.map((address, vf) => {
    const group = groups[vf];
    const owner = claims.find(({ devices }) => devices.some((each) => each.address === address))?.owner;
    const driver = boundDriver(host, address);
    const open = group === undefined ? undefined : openBy(host, address);
    return {
      vf,
      address,
      isThere: host.read(sysfs.attribute(address, 'vendor')) !== undefined,
      ...(group !== undefined && { group }),
      sharesGroup: group !== undefined && groups.filter((each) => each === group).length > 1,
      ...(driver !== undefined && { driver }),
      ...(owner && { owner: ownerPhrase(owner) }),
      ...(open !== undefined && { open }),
      ...(settings[vf] && { settings: settings[vf] }),
    };
  });
}

/** A card that switches between its functions has an id as a switch; in the other mode the read is EOPNOTSUPP. */
function isSwitchdev(host: Host, card: PciAddress, link: string): boolean {
  try {
    return (host.read(sysfs.attribute(card, `net/${link}/phys_switch_id`)) ?? '').trim() !== '';
  } catch (error) {
    if (!asFailure(error)) throw error;
    return false;
  }
}

function orNote<T>(notes: string[], otherwise: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    noted(notes, error);
    return otherwise;
  }
}

function noted(notes: string[], error: unknown): [] {
  const failure = asFailure(error);
  if (!failure) throw error;
  notes.push(failure.message);
  return [];
}
