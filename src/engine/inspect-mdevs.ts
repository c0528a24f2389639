import type { Claim } from '../claim/claim.ts';
import { asFailure } from '../failure.ts';
import type { Hint } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { graphicsCards, graphicsHost } from '../observe/graphics.ts';
import { mdevGroup, mdevUuids, openMdev, parentAddress, readMdev, readMdevParents } from '../observe/mdev.ts';
import { definitionPlaces, readDefinition } from '../observe/mdevctl.ts';
import { readDevice } from '../observe/read-device.ts';
import { readableHost } from '../observe/readable.ts';
import type { GraphicsCard } from '../pci/graphics.ts';
import type { Mdev, MdevParent } from '../pci/mdev.ts';
import type { PciDevice } from '../pci/device.ts';
import { noTypes } from '../resource/mdev/no-types.ts';
import type { Engine } from './engine.ts';
import { deniedNote, readClaims } from './inspect.ts';

/** What there is of mediated devices, and what there could be. */
export interface MdevInspection {
  /** In the order of their names. */
  readonly parents: readonly InspectedParent[];
  /** In the order of their UUIDs. */
  readonly devices: readonly InspectedMdev[];
  readonly definitions: readonly InspectedDefinition[];
  /** Graphics cards that make none, and why. */
  readonly others: readonly UnfitCard[];
  /** Sentences for a person. */
  readonly notes: readonly string[];
}

/** A parent, and what it is where it is a PCI device. */
export interface InspectedParent extends MdevParent {
  readonly device?: PciDevice;
}

/** A mediated device that is there. */
export interface InspectedMdev extends Mdev {
  readonly uuid: string;
  readonly group?: number;
  /** Who has it open, in words. */
  readonly openBy?: string;
  readonly claim?: Claim;
}

/** What mdevctl knows of one, or why it cannot be used. */
export type InspectedDefinition = {
  readonly uuid: string;
  readonly parent: string;
  readonly path: string;
} & ({ readonly type: string; readonly start: 'auto' | 'manual' } | { readonly problem: string });

/** A card of which no mediated devices can be made. */
export interface UnfitCard {
  readonly card: GraphicsCard;
  readonly reason: string;
  readonly hints: readonly Hint[];
}

/** Looks at them. Changes nothing. Works without root, as far as it goes: what is not known then is in the notes. */
export function inspectMdevs(engine: Engine): MdevInspection {
  const { host, denied } = readableHost(engine.host);
  const stored = readClaims(engine);
  const parents = readMdevParents(host).map((parent): InspectedParent => {
    const address = parentAddress(parent.name);
    const device = address && readDevice(host, address, new Map());
    return { ...parent, ...(device && { device }) };
  });
  const devices = [...mdevUuids(host)].sort().flatMap((uuid): InspectedMdev[] => {
    const mdev = readMdev(host, uuid);
    return mdev ? [{ uuid, ...mdev, ...usersOf(host, uuid, stored.claims) }] : [];
  });
  const kernel = graphicsHost(host);
  const others = graphicsCards(host)
    .filter(({ address, isVirtual }) => !isVirtual && !isParent(parents, address))
    .map((card): UnfitCard => ({ card, ...noTypes(card, kernel) }));
  return {
    parents,
    devices,
    definitions: definitionPlaces(host).map((place) => inspectDefinition(host, place)),
    others,
    notes: [
      ...(denied.size > 0 || stored.denied ? [deniedNote(denied, stored.denied)] : []),
      ...stored.notes,
    ],
  };
}

function usersOf(
  host: Host,
  uuid: string,
  claims: readonly Claim[],
): Pick<InspectedMdev, 'group' | 'openBy' | 'claim'> {
  const group = mdevGroup(host, uuid);
  const openBy = openMdev(host, uuid);
  const claim = claims.find(({ holds }) => holds.some(({ kind, key }) => kind === 'mdev' && key === uuid));
  return {
    ...(group !== undefined && { group }),
    ...(openBy !== undefined && { openBy }),
    ...(claim && { claim }),
  };
}

/** A card makes them itself, or its virtual functions do. */
function isParent(parents: readonly InspectedParent[], address: string): boolean {
  return parents.some(({ name, device }) => name === address || device?.physicalFunction === address);
}

function inspectDefinition(
  host: Host,
  place: { readonly uuid: string; readonly parent: string; readonly path: string },
): InspectedDefinition {
  const { uuid, parent, path } = place;
  try {
    const { type, start } = readDefinition(host, place);
    return { uuid, parent, path, type, start };
  } catch (error) {
    const failure = asFailure(error);
    if (!failure) throw error;
    return { uuid, parent, path, problem: failure.message };
  }
}
