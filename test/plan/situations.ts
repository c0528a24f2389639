import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import type { Host } from '../../src/host/host.ts';
import { readDescription } from '../../simulator/description.ts';
import { createMachine } from '../../simulator/machine.ts';
import type { MachineSpec } from '../../simulator/spec.ts';
import { groupsOf, takeSnapshot } from '../../src/observe/take-snapshot.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import type { Snapshot } from '../../src/pci/snapshot.ts';
import { NVIDIA_DRM } from '../../src/pci/nvidia.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import { useReasons, type UseReason } from '../../src/pci/use.ts';
import type { DeviceWishes } from '../../src/plan/judgement.ts';
import { plan, type Plan } from '../../src/plan/plan.ts';
import { describeStep, doStep } from '../../src/steps/index.ts';
import { guest } from './snapshots.ts';

const DEADLINE = 1000;
const machines = new Map(
  readdirSync('examples/hosts').map((file) => [file, idle(readDescription(`examples/hosts/${file}`))]),
);

/** Nobody has a device open: a start ends who has, or refuses, and its plan alone would wait for them without end. */
function idle(spec: MachineSpec): MachineSpec {
  const modules = spec.modules.map((module) =>
    module.name === NVIDIA_DRM ? { ...module, parameters: { ...module.parameters, modeset: 'N' } } : module,
  );
  return { ...spec, processes: [], modules };
}

/** What a run of a property is about: a machine, the state its devices are in, and what a guest asks for. */
export interface Situation {
  readonly machine: string;
  /** Picks assigned devices, sizes, earlier states and where to stop, each modulo what there is. */
  readonly picks: readonly number[];
}

export const situations: fc.Arbitrary<Situation> = fc.record({
  machine: fc.constantFrom(...machines.keys()),
  picks: fc.array(fc.nat(1000), { minLength: 12, maxLength: 12 }),
});

/** A plan for a start, and the machine that it is for. */
export interface Begun {
  readonly host: Host;
  readonly made: Plan;
  readonly snapshot: Snapshot;
}

/** Boots the machine, brings one or two devices into another state, and plans a start with them. */
export async function begin(situation: Situation, allow: readonly UseReason[] = useReasons): Promise<Begun> {
  const host = createMachine(machines.get(situation.machine)!).host();
  const { picks } = situation;
  const endpoints = (await everything(host)).devices.filter(isAssignable);
  const pick = <T>(index: number, from: readonly T[]): T | undefined =>
    from[(picks[index] ?? 0) % from.length];
  const [one, other] = [pick(1, endpoints), pick(2, endpoints)];
  const wanted = endpoints.filter(({ address }) => address === one?.address || address === other?.address);
  return beginWith(host, wanted, situation, allow);
}

/** The same with as many devices as one guest can have: all but those that are refused, some of them in another state. */
export async function beginWithMany(situation: Situation): Promise<Begun> {
  const host = createMachine(machines.get(situation.machine)!).host();
  const endpoints = (await everything(host)).devices.filter(isAssignable);
  const without = new Set<number | undefined>();
  for (let first = true; ; first = false) {
    const wanted = endpoints.filter(({ iommuGroup }) => !without.has(iommuGroup));
    const begun = await beginWith(host, wanted, situation, useReasons, first);
    const refused = begun.made.verdicts.filter(({ kind }) => kind === 'refuse').map(({ device }) => device);
    if (refused.length === 0) return begun;
    for (const { address, iommuGroup } of begun.snapshot.devices)
      if (refused.includes(address)) without.add(iommuGroup);
  }
}

async function beginWith(
  host: Host,
  wanted: readonly PciDevice[],
  { picks }: Situation,
  allow: readonly UseReason[],
  disturbing = true,
): Promise<Begun> {
  for (const [index, device] of wanted.entries())
    if (disturbing) await disturb(host, device, picks[3 + (index % 8)] ?? 0);
  // A physical function that lost its driver has no virtual functions any more.
  const chosen = wanted.filter(({ address }) => host.list(sysfs.device(address)) !== undefined);

  const groups = groupsOf(
    host,
    chosen.map(({ address }) => address),
  );
  const snapshot = await takeSnapshot(host, groups, { deadlineMs: DEADLINE });
  const made = plan({
    owner: guest,
    hostdevs: chosen.map(({ address }) => ({ kind: 'pci', address, managed: true })),
    snapshot,
    claims: [],
    wishesFor: (device) => ({
      bars: new Map(wishedBars(device, picks[6] ?? 0)),
      ...wishedPins(device, picks[7] ?? 0),
      allow,
    }),
  });
  return { host, made, snapshot };
}

/** Leaves the device as it is, or brings it into one of the states in which users have their devices. */
async function disturb(host: Host, { address, driver }: PciDevice, pick: number): Promise<void> {
  const write = (path: string, value: string): Promise<unknown> => host.write(path, value, DEADLINE);
  const unbind = async (): Promise<unknown> => driver !== undefined && write(sysfs.unbind(driver), address);
  switch (pick % 5) {
    case 1:
      await unbind();
      break;
    case 2:
      await host.loadModule('vfio-pci', DEADLINE);
      await write(sysfs.driverOverride(address), 'vfio-pci');
      await unbind();
      await write(sysfs.bind('vfio-pci'), address);
      break;
    case 3:
      await write(sysfs.driverOverride(address), driver ?? 'none');
      break;
    case 4:
      await write(sysfs.driverOverride(address), 'some-other-driver');
      break;
  }
}

function wishedBars(device: PciDevice, pick: number): [number, number][] {
  return device.bars.flatMap(({ index, sizes }): [number, number][] => {
    // Small ones: whether a large one fits is the bridge window's business, and a refusal of the kernel.
    const smaller = sizes?.slice(0, 3) ?? [];
    const size = smaller[pick % (smaller.length + 1)];
    return size === undefined ? [] : [[index, size]];
  });
}

/** What can be had of how it is reset, and whether it may sleep; each second device wishes nothing. */
function wishedPins(device: PciDevice, pick: number): Pick<DeviceWishes, 'reset' | 'power' | 'd3cold'> {
  if (pick % 2 === 0) return {};
  const { resetMethods: methods, sharesBus, d3coldAllowed } = device;
  return {
    // What is not alone on its bus does not get back a list that has bus in it.
    ...(methods && !(sharesBus && methods.includes('bus')) && { reset: methods.slice(pick % 3) }),
    power: pick % 4 === 1 ? 'on' : 'auto',
    ...(d3coldAllowed !== undefined && pick % 5 > 0 && { d3cold: !d3coldAllowed }),
  };
}

function isAssignable(device: PciDevice): boolean {
  return device.headerType === 'endpoint' && !/^(06|0c05|080)/.test(device.class);
}

export async function outcome(host: Host, made: Plan, step: Plan['steps'][number]): Promise<string> {
  const result = await doStep(step, host, DEADLINE);
  const fine = result.kind === 'done' || result.kind === 'skipped';
  return fine
    ? 'fine'
    : `${describeStep(step)}: ${JSON.stringify(result)} (of ${made.steps.map(describeStep).join(', ')})`;
}

export async function everything(host: Host): Promise<Snapshot> {
  const groups = (host.list(sysfs.groups) ?? []).map(Number);
  return takeSnapshot(host, groups, { deadlineMs: DEADLINE });
}
