import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import type { Host } from '../../src/host/host.ts';
import { readDescription } from '../../simulator/description.ts';
import { createMachine } from '../../simulator/machine.ts';
import { groupsOf, takeSnapshot } from '../../src/observe/take-snapshot.ts';
import type { PciDevice } from '../../src/pci/device.ts';
import type { Snapshot } from '../../src/pci/snapshot.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import { useReasons, type UseReason } from '../../src/pci/use.ts';
import { plan, type Plan } from '../../src/plan/plan.ts';
import { planRestore } from '../../src/plan/restore.ts';
import { subjectOf } from '../../src/steps/step.ts';
import { describeStep, doStep } from '../../src/steps/index.ts';
import { guest } from './snapshots.ts';

const DEADLINE = 1000;
const machines = new Map(
  readdirSync('examples/hosts').map((file) => [file, readDescription(`examples/hosts/${file}`)]),
);

/** What a run of a property is about: a machine, the state its devices are in, and what a guest asks for. */
interface Situation {
  readonly machine: string;
  /** Picks assigned devices, sizes, earlier states and where to stop, each modulo what there is. */
  readonly picks: readonly number[];
}

const situations: fc.Arbitrary<Situation> = fc.record({
  machine: fc.constantFrom(...machines.keys()),
  picks: fc.array(fc.nat(1000), { minLength: 12, maxLength: 12 }),
});

describe('plan on any machine', function () {
  this.timeout(60_000);

  it('touches no device outside the groups, and each member has one verdict', async () => {
    await fc.assert(
      fc.asyncProperty(situations, async (situation) => {
        const { made, snapshot } = await begin(situation);
        const members = snapshot.groups.flatMap((group) => group.members);
        for (const step of made.steps) {
          const { device } = subjectOf(step);
          assert.ok(device === undefined || members.includes(device), describeStep(step));
        }
        assert.deepEqual(made.verdicts.map(({ device }) => device).sort(), [...members].sort());
      }),
      { numRuns: 60 },
    );
  });

  it('never unbinds a bridge or a chipset function, and never binds before every unbind', async () => {
    await fc.assert(
      fc.asyncProperty(situations, async (situation) => {
        const { made, snapshot } = await begin(situation);
        const kinds = made.steps.map(({ kind }) => kind);
        if (kinds.includes('bind')) assert.ok(kinds.lastIndexOf('unbind') < kinds.indexOf('bind'));
        for (const step of made.steps) {
          const device = snapshot.devices.find(({ address }) => address === subjectOf(step).device);
          assert.ok(device?.headerType !== 'bridge' && !device?.class.startsWith('0c05'), describeStep(step));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('binds nothing that the host uses, and says every use, unless it is allowed', async () => {
    let used = 0;
    await fc.assert(
      fc.asyncProperty(situations, async (situation) => {
        const { made, snapshot } = await begin(situation, []);
        for (const verdict of made.verdicts) {
          const uses = snapshot.uses.filter(({ device }) => device === verdict.device);
          used += uses.length;
          if (uses.length === 0) continue;
          assert.equal(verdict.kind, 'refuse');
          if (verdict.code === 'host-use') assert.deepEqual(verdict.uses, uses);
          assert.deepEqual([made.steps, made.devices], [[], []]);
        }
      }),
      { numRuns: 60 },
    );
    assert.ok(used > 0, 'nothing was used in any of the situations');
  });

  it('is undone by planRestore after any number of its steps, to the last attribute', async () => {
    await fc.assert(
      fc.asyncProperty(situations, async (situation) => {
        const { host, made } = await begin(situation);
        const before = await everything(host);
        const stop = (situation.picks[0] ?? 0) % (made.steps.length + 1);
        for (const step of made.steps.slice(0, stop)) assert.equal(await outcome(host, made, step), 'fine');

        const way = planRestore({ devices: made.devices }, await everything(host));
        for (const step of way.steps) assert.equal(await outcome(host, made, step), 'fine');
        assert.deepEqual((await everything(host)).devices, before.devices);
        assert.deepEqual(planRestore({ devices: made.devices }, await everything(host)).steps, []);
      }),
      { numRuns: 60 },
    );
  });
});

/** Boots the machine, brings some devices into another state, and plans a start. */
async function begin(
  { machine, picks }: Situation,
  allow: readonly UseReason[] = useReasons,
): Promise<{ host: Host; made: Plan; snapshot: Snapshot }> {
  const host = createMachine(machines.get(machine)!).host();
  const endpoints = (await everything(host)).devices.filter(isAssignable);
  const pick = <T>(index: number, from: readonly T[]): T | undefined =>
    from[(picks[index] ?? 0) % from.length];
  const first = pick(1, endpoints);
  const wanted = endpoints.filter(
    ({ address }) => address === first?.address || address === pick(2, endpoints)?.address,
  );
  for (const [index, device] of wanted.entries()) await disturb(host, device, picks[3 + index] ?? 0);
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
    wishesFor: (device) => ({ bars: new Map(wishedBars(device, picks[6] ?? 0)), allow }),
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

function isAssignable(device: PciDevice): boolean {
  return device.headerType === 'endpoint' && !/^(06|0c05|080)/.test(device.class);
}

async function outcome(host: Host, made: Plan, step: Plan['steps'][number]): Promise<string> {
  const result = await doStep(step, host, DEADLINE);
  const fine = result.kind === 'done' || result.kind === 'skipped';
  return fine
    ? 'fine'
    : `${describeStep(step)}: ${JSON.stringify(result)} (of ${made.steps.map(describeStep).join(', ')})`;
}

async function everything(host: Host): Promise<Snapshot> {
  const groups = (host.list(sysfs.groups) ?? []).map(Number);
  return takeSnapshot(host, groups, { deadlineMs: DEADLINE });
}
