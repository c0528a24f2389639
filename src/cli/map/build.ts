import { count } from '../../count.ts';
import { hintText, uniqueHints } from '../../hint.ts';
import type { InspectedDevice, InspectedGroup } from '../../engine/inspect.ts';
import { comparePciAddresses, slotOf, type PciAddress } from '../../pci/address.ts';
import { isOftenGiven } from '../../pci/class.ts';
import type { PciDevice } from '../../pci/device.ts';
import type { PciNames } from '../../pci/names.ts';
import type { PciLink, PciLocation } from '../../pci/topology.ts';
import { iommuOff } from '../../observe/take-snapshot.ts';
import { acsHints } from '../../plan/group-verdict.ts';
import { strangerWords } from '../render/groups.ts';
import { isOfInterest, ownerName, verdictWords, vgpuFacts } from '../render/group-words.ts';
import { localTime } from '../render/local-time.ts';
import type { MapFunction, MapGroup, MapModel, MapNode, MapRoot, MapState } from './model.ts';

/** Everything that a map is made of. */
export interface MapSource {
  /** Every PCI device of the host, in order of address, with its place. */
  readonly places: readonly PciLocation[];
  readonly devices: ReadonlyMap<PciAddress, PciDevice>;
  readonly groups: readonly InspectedGroup[];
  readonly names: PciNames;
  /** Also ports with nothing behind them and parts of the chipset, which are only counted otherwise. */
  readonly everything: boolean;
  readonly kernelRelease: string;
  /** When the host was looked at. */
  readonly time: Date;
}

/** What the map says. Pure. */
export function buildMap(source: MapSource): MapModel {
  const { groups, places } = source;
  const facts = new Map(
    groups.flatMap((group) =>
      group.devices.map((member) => [member.device.address, { group, member }] as const),
    ),
  );
  const context: Context = { source, facts };
  const buses = [...new Set(places.map(({ rootBus }) => rootBus))];
  const possible = groups.filter(({ verdict }) => verdict.kind === 'possible').length;
  return {
    title: 'PCI devices and IOMMU groups',
    subtitle: [
      `Linux ${source.kernelRelease}`,
      groups.length === 0
        ? 'no IOMMU groups: the IOMMU is off, and no device can be given to a guest'
        : `${count(groups.length, 'IOMMU group')}, ${possible} of them can be given to a guest`,
      localTime(source.time),
    ].join(' · '),
    roots: buses.map((bus) => rootOf(bus, context)),
    groups: groups.map((group) => groupOf(group, source.names)),
    // How to switch it on; else what ACS is, where it is in the way.
    notes: (groups.length === 0
      ? iommuOff().hints
      : acsHints.filter((hint) =>
          groups.some(({ verdict }) => verdict.reasons.some(({ hints }) => hints.includes(hint))),
        )
    ).map(hintText),
  };
}

interface Context {
  readonly source: MapSource;
  readonly facts: ReadonlyMap<
    PciAddress,
    { readonly group: InspectedGroup; readonly member: InspectedDevice }
  >;
}

function rootOf(bus: string, context: Context): MapRoot {
  const { places } = context.source;
  const here = places.filter(({ rootBus }) => rootBus === bus);
  const nodes = new Set(here.map(({ numaNode }) => numaNode));
  const [numaNode] = nodes;
  const oneNode = nodes.size === 1 && numaNode !== undefined;
  const tops = here.filter(
    ({ parent }) => parent === undefined || !here.some(({ address }) => address === parent),
  );
  const folded = { ports: 0, parts: 0 };
  const children = childNodes(tops, { ...context, here, folded, numa: !oneNode });
  const words = [
    ...(folded.ports > 0 ? [`${count(folded.ports, 'port')} with nothing behind`] : []),
    ...(folded.parts > 0 ? [`${count(folded.parts, 'part')} of the chipset`] : []),
  ].join(', ');
  return {
    bus,
    ...(oneNode && { numaNode }),
    children,
    ...(words !== '' && { folded: words }),
  };
}

interface RootContext extends Context {
  readonly here: readonly PciLocation[];
  readonly folded: { ports: number; parts: number };
  /** Whether each function has to say its NUMA node. */
  readonly numa: boolean;
}

/** Bridges each by itself, other devices by slot, in order of address. */
function childNodes(places: readonly PciLocation[], context: RootContext): MapNode[] {
  const { source, here, folded } = context;
  const nodes: MapNode[] = [];
  const slots = new Map<string, PciLocation[]>();
  for (const place of places) {
    const { address } = place;
    const behind = here.filter(({ parent }) => parent === address);
    if (behind.length > 0 || source.devices.get(address)?.headerType !== 'endpoint') {
      const children = childNodes(behind, context);
      if (children.length > 0 || isShown(address, context))
        nodes.push({ kind: 'bridge', address, function: functionOf(place, context), children });
      else folded.ports += 1;
    } else slots.set(slotOf(address), [...(slots.get(slotOf(address)) ?? []), place]);
  }
  for (const card of slots.values()) {
    const [first] = card;
    if (first && card.some(({ address }) => isShown(address, context))) {
      const functions = card.map((place) => functionOf(place, context));
      nodes.push({ kind: 'card', address: first.address, functions: functions.map(sayOnce) });
    } else folded.parts += card.length;
  }
  return nodes.sort((a, b) => comparePciAddresses(a.address, b.address));
}

/** A card says the verdict on a group once. */
function sayOnce(each: MapFunction, index: number, card: readonly MapFunction[]): MapFunction {
  const said = card
    .slice(0, index)
    .some(({ group, stateWord: word }) => group === each.group && word === each.stateWord);
  return said ? { ...each, stateWord: '' } : each;
}

function isShown(address: PciAddress, { source, facts }: Context): boolean {
  if (source.everything) return true;
  const group = facts.get(address)?.group;
  return group ? isOfInterest(group) : isOftenGiven(source.devices.get(address)?.class ?? '');
}

function functionOf(place: PciLocation, context: RootContext): MapFunction {
  const { address, link, numaNode } = place;
  const { devices, names } = context.source;
  const known = context.facts.get(address);
  const device = devices.get(address);
  const state: MapState = known?.group.verdict.kind ?? 'none';
  const verdict = known?.group.verdict;
  const reasons = verdict?.kind === 'refused' ? verdict.reasons : [];
  const facts = device
    ? [
        names.class(device.class) ?? `class ${device.class.slice(0, 4)}`,
        ...(device.driver === undefined ? ['no driver'] : [device.driver]),
        ...(known?.member.hostDriver === undefined ? [] : [`host: ${known.member.hostDriver}`]),
        ...(link ? [linkWords(link)] : []),
        ...(device.bootVga === true ? ['boot VGA'] : []),
        ...(device.sriov ? [`${device.sriov.numVfs} of ${device.sriov.totalVfs} VFs`] : []),
        ...(device.sriov?.numVfs === 0 && known?.member.promisedFunctions !== undefined
          ? [`${known.member.promisedFunctions} when a guest needs one`]
          : []),
        ...(device.physicalFunction === undefined ? [] : [`VF of ${device.physicalFunction}`]),
        ...(known ? vgpuFacts(known.member) : []),
        ...(device.mdevs ? [count(device.mdevs.length, 'mediated device')] : []),
        ...(context.numa && numaNode !== undefined ? [`NUMA node ${numaNode}`] : []),
      ]
    : ['it left the bus meanwhile'];
  return {
    address,
    name: device ? modelName(device, names) : '',
    facts,
    ...(known && { group: known.group.group.number }),
    state,
    stateWord: stateWord(address, state, known?.group),
    description: [
      `${address} ${device ? names.describe(device) : ''}`.trim(),
      facts.slice(1).join(', '),
      known ? `IOMMU group ${known.group.group.number}: ${verdictWords(known.group)}` : 'in no IOMMU group',
      ...(device?.mdevs ?? []).map((uuid) => `mediated device ${uuid}`),
      ...reasons.map(({ device: where, reason }) => `${where}: ${reason}`),
    ],
  };
}

/** Without the maker, whom the name of a card tells; ids where there is no name. */
function modelName(device: PciDevice, names: PciNames): string {
  return names.device(device.vendor, device.device) ?? names.describeModel(device);
}

/** `x16 16 GT/s`; `x8 of x16, 2.5 of 16 GT/s` where the device could do more. */
export function linkWords({ speed, width, maxSpeed, maxWidth }: PciLink): string {
  const of = (most: string | undefined, now: string): string =>
    most === undefined || most === now ? '' : ` of ${most}`;
  const lanes = `x${width}${of(maxWidth === undefined ? undefined : `x${maxWidth}`, `x${width}`)}`;
  if (speed === undefined) return lanes;
  const rate = `${speed}${of(maxSpeed?.toString(), String(speed))} GT/s`;
  return lanes.includes(' ') || rate.includes(' of ') ? `${lanes}, ${rate}` : `${lanes} ${rate}`;
}

function stateWord(address: PciAddress, state: MapState, group: InspectedGroup | undefined): string {
  switch (state) {
    case 'possible':
      return 'can be given';
    case 'refused':
      return isInTheWay(address, group) ? 'in the way' : 'cannot be given';
    case 'unknown':
      return 'not known';
    case 'nothing':
      return '';
    case 'none':
      return 'no group';
    case 'held':
      return (group && ownerName(group)) ?? 'in use';
  }
}

/** Whether a device keeps others of its group from guests, and not only itself. */
function isInTheWay(address: PciAddress, group: InspectedGroup | undefined): boolean {
  const culprits = new Set(group?.verdict.reasons.map(({ device }) => device));
  return (
    culprits.has(address) &&
    group?.devices.some(
      ({ device, verdict }) => !culprits.has(device.address) && verdict?.kind === 'bind',
    ) === true
  );
}

function groupOf(inspected: InspectedGroup, names: PciNames): MapGroup {
  const { group, devices, verdict } = inspected;
  const reasons = verdict.kind === 'refused' ? verdict.reasons : [];
  return {
    number: group.number,
    coloured: isOfInterest(inspected),
    state: verdict.kind,
    verdict: verdictWords(inspected),
    members: [
      ...devices.map(({ device }) => ({
        address: device.address,
        name: `${modelName(device, names)}, ${device.driver ?? 'no driver'}`,
      })),
      ...group.otherMembers.map((address) => ({ address, name: strangerWords(address) })),
    ],
    reasons: reasons.map(({ device, reason }) => `${device}: ${reason}`),
    hints: uniqueHints(reasons.flatMap(({ hints }) => hints).filter((hint) => !acsHints.includes(hint))),
  };
}
