import type { Claim, ClaimedDevice, ClaimOwner, Original } from '../claim/claim.ts';
import { claims } from '../claim/claim.ts';
import { claimKey, ownerPhrase } from '../claim/owner.ts';
import type { PciHostdev } from '../domain/domain.ts';
import type { PciDevice } from '../pci/device.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import { isVfioName } from '../pci/vfio-name.ts';
import { BACK_END } from '../pci/vfio-state.ts';
import type { BarChange } from './bars.ts';
import { stepsBetween, type ScriptFinder } from './between.ts';
import { VFIO_PCI } from './driver.ts';
import { judge } from './judge.ts';
import type { DeviceWishes, Judgement } from './judgement.ts';
import type { Step } from '../steps/step.ts';
import type { LeaveCode, RefuseVerdict, Verdict } from './verdict.ts';
import { pinsAfter, pinsBefore, type Pins } from './pins.ts';
import { isOurs, wayOn } from './unsafe-interrupts.ts';
import { notReady } from './vfio-ready.ts';

/** Everything that a plan is made from. */
export interface PlanInput {
  readonly owner: ClaimOwner;
  readonly hostdevs: readonly PciHostdev[];
  /** `functions`: only the hostdevs themselves move, for drivers that are none of vfio's. Absent: whole groups. */
  readonly scope?: 'groups' | 'functions';
  /** What the configuration asks for a device. */
  readonly wishesFor: (device: PciDevice) => DeviceWishes;
  /** Looks for scripts of the owner, a guest; absent: they are taken to be there. */
  readonly findScript?: ScriptFinder | undefined;
  /** Whether the configuration lets guests start without interrupt remapping. */
  readonly allowUnsafeInterrupts?: boolean;
  /** The groups of all hostdevs, whole. */
  readonly snapshot: Snapshot;
  /** The host as it is, where `snapshot` is what it will be like: originals are taken from it. Absent: the same. */
  readonly before?: Pick<Snapshot, 'devices'>;
  /** Every claim on this host, this owner's own included. */
  readonly claims: readonly Claim[];
}

/** What is going to happen, decided once and shared by the hook, the dry run and the simulator. */
export interface Plan {
  readonly owner: ClaimOwner;
  /** Numbers of the IOMMU groups concerned, ascending. */
  readonly groups: readonly number[];
  /** One for each PCI member of those groups, in order of address. */
  readonly verdicts: readonly Verdict[];
  /** In order. Empty when there is nothing to do, or when a verdict refuses. */
  readonly steps: readonly Step[];
  /** What the claim must say before the first step. */
  readonly devices: readonly ClaimedDevice[];
  /** Whether allow_unsafe_interrupts has to be on for the owner, and be its claim's matter, if it is nobody's yet. */
  readonly unsafeInterrupts: boolean;
}

/** The verdicts that stand in the way, those of assigned devices first. */
export function refusals(plan: Plan): readonly RefuseVerdict[] {
  return plan.verdicts
    .filter((verdict) => verdict.kind === 'refuse')
    .sort((a, b) => Number(b.assigned) - Number(a.assigned));
}

/**
 * Decides for every member of the groups concerned, and orders the steps:
 * how a device is reset comes first, since the kernel may refuse it and nothing has moved yet; then
 * overrides, so that no host driver takes a device back; then the question whether a card can be taken from its
 * driver, where there is one to ask; then every unbind, the highest function
 * first, since a sound function is the likeliest to be held and nothing is lost when it refuses; then BAR
 * sizes, which change only while no driver holds the device, and what else is to be done meanwhile; then every bind, and what
 * a bind would set otherwise.
 *
 * Sizes, too, change on the highest device first, and come back on the lowest first (src/plan/restore.ts): the
 * kernel puts a BAR into the first gap that fits, so of two cards behind one switch that were made smaller, the
 * upper one would otherwise have moved to where the lower one needs room to grow again.
 */
export function plan(input: PlanInput): Plan {
  const { owner, snapshot, scope = 'groups' } = input;
  const own = input.claims.find((claim) => claimKey(claim.owner) === claimKey(owner));
  const others = input.claims.filter((claim) => claim !== own);

  const judged = snapshot.devices.map((device) => {
    const earlier = own?.devices.find((claimed) => claimed.address === device.address);
    const holders = others.filter((claim) => claims(claim, device.address));
    const detached = holders.find((claim) => claim.owner.kind === 'manual');
    const judgement = judge(
      {
        device,
        scope,
        for: owner.kind,
        hostdev: input.hostdevs.find((hostdev) => hostdev.address === device.address),
        rule: input.wishesFor(device),
        ...(owner.kind === 'guest' && { guest: owner.name, findScript: input.findScript }),
        hasBegun: input.hostdevs.some(({ kind }) => kind === 'network'),
        earlier,
        rival: holders.find((claim) => claim !== detached),
        detached,
        ...(device.mdevs && {
          mdevs: device.mdevs.map((uuid) => ({ uuid, claim: holderOf(input.claims, uuid) })),
        }),
        uses: snapshot.uses.filter((use) => use.device === device.address),
        functionUsers: input.claims.flatMap((claim) =>
          claim.devices
            .filter(({ physicalFunction }) => physicalFunction === device.address)
            .map(({ address }) => `${ownerPhrase(claim.owner)} has ${address}`),
        ),
      },
      snapshot,
    );
    // A device that is detached stays in the claim of that detach alone, also when it is detached again.
    const claimed = detached === undefined || owner.kind !== 'manual';
    // libvirt has moved it by now: what it was on before is libvirt's to know.
    const hostdev = input.hostdevs.find(({ address }) => address === device.address);
    const chosen = earlier?.chosen === true || (hostdev?.kind === 'network' && hostdev.managed);
    const was = input.before?.devices.find(({ address }) => address === device.address) ?? device;
    return { device, was, earlier, claimed, chosen, ...judgement };
  });

  const unsafeInterrupts = needsUnsafeInterrupts(judged, input);
  const verdicts = withHostRefusal(judged, input).map(({ verdict }) => verdict);
  const refused = verdicts.some((verdict) => verdict.kind === 'refuse');
  return {
    owner,
    groups: snapshot.groups.map((group) => group.number).sort((a, b) => a - b),
    verdicts,
    steps: refused ? [] : orderSteps(judged, input, unsafeInterrupts),
    devices: refused ? [] : judged.flatMap(claimedDevice),
    unsafeInterrupts: !refused && unsafeInterrupts,
  };
}

/** Who has a mediated device. */
function holderOf(all: readonly Claim[], uuid: string): Claim | undefined {
  return all.find(({ holds }) => holds.some(({ kind, key }) => kind === 'mdev' && key === uuid));
}

type Judged = Judgement & {
  readonly device: PciDevice;
  /** As it is before anything is done. */
  readonly was: PciDevice;
  readonly earlier: ClaimedDevice | undefined;
  readonly claimed: boolean;
  readonly chosen: boolean;
};

/** What is wrong with the whole host is said once, for the first device that VFIO would be needed for. */
function withHostRefusal(judged: readonly Judged[], input: PlanInput): readonly Judged[] {
  const { owner, snapshot, claims: all, allowUnsafeInterrupts: allowed = false } = input;
  const needy = judged.filter(needsVfio);
  const generalDriver = needy.some(({ verdict }) => verdict.kind === 'bind' && verdict.driver === VFIO_PCI);
  const wrong = notReady(snapshot.vfio, snapshot.kernelRelease, {
    for: owner.kind,
    generalDriver,
    unsafeInterrupts: { allowed, ours: isOurs(all) },
  });
  const first = needy.find(({ verdict }) => verdict.assigned);
  if (!wrong || !first) return judged;
  const { code, reason, hints } = wrong;
  const { address: device } = first.device;
  const refusal: RefuseVerdict = { kind: 'refuse', device, code, assigned: true, reason, hints };
  return judged.map((each) => (each === first ? { ...each, verdict: refusal } : each));
}

/** Whether this owner can use its devices only without interrupt remapping, and the configuration lets it. */
function needsUnsafeInterrupts(
  judged: readonly Judged[],
  { owner, snapshot, allowUnsafeInterrupts = false }: PlanInput,
): boolean {
  return (
    allowUnsafeInterrupts &&
    owner.kind !== 'manual' &&
    snapshot.vfio.interrupts === 'not-remapped' &&
    judged.some(needsVfio)
  );
}

/** Whether a device goes to a guest, or whoever it is for, through VFIO. */
function needsVfio({ device, verdict }: Judged): boolean {
  if (verdict.kind === 'bind') return isVfioName(verdict.driver);
  if (verdict.kind !== 'leave') return false;
  return (
    verdict.code === 'libvirt' ||
    (verdict.code === 'on-vfio' && device.onVfio) ||
    (verdict.code === 'vgpu' && verdict.assigned)
  );
}

/** libvirt loads what it needs for a function that it moves itself. */
function isLeftToLibvirt({ verdict }: Judged): boolean {
  return verdict.kind === 'leave' && verdict.code === 'libvirt';
}

function orderSteps(
  judged: readonly Judged[],
  { owner, snapshot, claims: all }: PlanInput,
  unsafeInterrupts: boolean,
): Step[] {
  const needsBackEnd =
    // Its parameter can be set only while it is there.
    (unsafeInterrupts && snapshot.vfio.unsafeInterrupts === undefined) ||
    (owner.kind !== 'manual' &&
      snapshot.vfio.backEnd === 'module' &&
      judged.some((each) => needsVfio(each) && !isLeftToLibvirt(each)));
  const moved = judged.flatMap(({ device, verdict, bars, between = [] }) =>
    verdict.kind === 'bind'
      ? [{ device, driver: verdict.driver, ...stepsBetween(device, between, bars) }]
      : [],
  );
  const absent = new Set(
    moved.map(({ driver }) => driver).filter((driver) => !snapshot.drivers.includes(driver)),
  );
  const highestFirst = [...moved].reverse();
  return [
    ...[...absent].map((driver): Step => ({
      kind: 'load-module',
      module: driver,
      driver,
      blacklist: 'obeyed',
    })),
    ...(needsBackEnd ? [{ kind: 'load-module', module: BACK_END, blacklist: 'obeyed' } as const] : []),
    ...(unsafeInterrupts ? wayOn(snapshot.vfio.unsafeInterrupts, all).steps : []),
    ...judged.flatMap(({ device, pins = {} }) => pinsBefore(device, pins)),
    ...moved
      .filter(({ device, driver }) => device.driverOverride !== driver)
      .map(({ device, driver }): Step => ({
        kind: 'set',
        attribute: 'driver-override',
        key: device.address,
        to: driver,
      })),
    ...highestFirst
      .filter(({ device: { unbindLock } }) => unbindLock === 'free')
      .map(({ device }): Step => ({ kind: 'set', attribute: 'unbind-lock', key: device.address, to: '1' })),
    ...highestFirst.flatMap(({ device: { address, driver } }): Step[] =>
      driver === undefined ? [] : [{ kind: 'unbind', device: address, driver }],
    ),
    ...highestFirst.flatMap(({ resizes }) => resizes),
    ...highestFirst.flatMap(({ others }) => others),
    ...moved.map(({ device, driver }): Step => ({ kind: 'bind', device: device.address, driver })),
    ...judged.flatMap(({ device, verdict, pins = {} }) => pinsAfter(device, pins, verdict.kind === 'bind')),
  ];
}

/** What the claim records of a device: nothing for one that the owner does not get and nobody moves. */
function claimedDevice({
  device,
  was,
  verdict,
  bars,
  pins,
  earlier,
  claimed,
  chosen,
}: Judged): ClaimedDevice[] {
  const untouched = verdict.kind === 'leave' && NOT_CLAIMED.includes(verdict.code);
  if (!claimed || (untouched && !earlier)) return [];
  const driver = verdict.kind === 'bind' ? verdict.driver : earlier?.driver;
  return [
    {
      address: device.address,
      group: device.iommuGroup ?? -1,
      vendor: device.vendor,
      device: device.device,
      ...(device.physicalFunction && { physicalFunction: device.physicalFunction }),
      ...(driver !== undefined && { driver }),
      ...(chosen && verdict.kind === 'leave' && { chosen: true as const }),
      original: originalOf(was, { bars, ...(pins && { pins }) }, earlier?.original),
    },
  ];
}

const NOT_CLAIMED: readonly LeaveCode[] = ['bridge', 'system', 'not-asked'];

/** The originals as they are now; those of an earlier claim are older and win. */
export function originalOf(
  device: PciDevice,
  { bars: changes = [], pins = {} }: { readonly bars?: readonly BarChange[]; readonly pins?: Pins } = {},
  earlier?: Original,
): Original {
  const known = new Set(earlier?.bars.map(({ bar }) => bar));
  const added = changes.filter(({ bar }) => !known.has(bar)).map(({ bar, from }) => ({ bar, size: from }));
  const d3cold = pins.d3coldAllowed !== undefined &&
    device.d3coldAllowed !== undefined && { d3coldAllowed: device.d3coldAllowed };
  if (earlier) return { ...d3cold, ...earlier, bars: [...earlier.bars, ...added] };
  return {
    ...(device.driver !== undefined && { driver: device.driver }),
    ...(device.driverModule !== undefined && { module: device.driverModule }),
    ...(device.driverOverride !== undefined && { driverOverride: device.driverOverride }),
    bars: added,
    ...(device.powerControl !== undefined && { powerControl: device.powerControl }),
    ...(device.resetMethods !== undefined && { resetMethods: device.resetMethods }),
    ...d3cold,
  };
}
