import assert from 'node:assert/strict';
import { stateAfter } from '../../src/plan/after.ts';
import { makePlan } from '../../src/engine/make-plan.ts';
import { budgetOf } from '../../src/engine/budget.ts';
import { execute } from '../../src/engine/execute.ts';
import { defaultConfig, type DeviceRule } from '../../src/config/config.ts';
import { pciHostdevs } from '../../src/domain/domain.ts';
import { groupsOf, takeSnapshot } from '../../src/observe/take-snapshot.ts';
import { createMachine } from '../../simulator/machine.ts';
import { noLog } from '../../src/log/log.ts';
import { guest, machineSpec, pci } from '../scenario.ts';

const MIB = 2 ** 20;

describe('what a plan comes to', () => {
  interface Row {
    readonly host: string;
    readonly devices: readonly string[];
    readonly bars?: readonly (readonly [number, number])[];
    readonly pins?: Pick<DeviceRule, 'reset' | 'power' | 'd3cold'>;
  }
  const rows: Readonly<Record<string, Row>> = {
    'a card with its sound': { host: 'amd-rdna3-desktop', devices: ['0000:03:00.0'] },
    'a card with a smaller BAR': {
      host: 'amd-rdna3-desktop',
      devices: ['0000:03:00.0'],
      bars: [[2, 8 * MIB]],
    },
    'both BARs': {
      host: 'amd-rdna3-desktop',
      devices: ['0000:03:00.0'],
      bars: [
        [0, 256 * MIB],
        [2, 2 * MIB],
      ],
    },
    'a network function': { host: 'sriov-nic', devices: ['0000:17:02.1'] },
    'a function that is never reset and kept awake': {
      host: 'sriov-nic',
      devices: ['0000:17:02.1'],
      pins: { reset: [], power: 'on', d3cold: true },
    },
    'a card that may not lose its power': {
      host: 'amd-rdna3-desktop',
      devices: ['0000:03:00.0'],
      pins: { reset: ['bus'], d3cold: false },
    },
    'two cards': { host: 'server-8-gpu', devices: ['0000:19:00.0', '0000:4d:00.0'] },
  };
  for (const [title, { host: name, devices, bars = [], pins = {} }] of Object.entries(rows)) {
    it(`${title}: as the machine is when every step is done`, async () => {
      const machine = createMachine(machineSpec(name));
      const host = machine.host();
      const domain = guest('a', ...devices);
      const groups = groupsOf(host, devices.map(pci));
      const rule: DeviceRule = {
        match: { by: 'address', address: pci(devices[0] ?? '') },
        bars: new Map(bars),
        ...pins,
      };
      const { plan, snapshot } = await makePlan({
        host,
        owner: { kind: 'guest', ...domain },
        hostdevs: pciHostdevs(domain),
        groups,
        config: { ...defaultConfig, devices: [rule] },
        claims: [],
      });
      const expected = stateAfter(plan, snapshot);
      assert.ok(expected.length >= devices.length);
      const failures = await execute(plan.steps, {
        host,
        log: noLog,
        guest: 'a',
        budget: budgetOf(host, { kernelWrite: 1000, run: 10_000 }),
        onFailure: 'stop',
        interrupted: () => undefined,
      });
      assert.deepEqual(failures, []);
      const now = await takeSnapshot(host, groups, { deadlineMs: 1000 });
      assert.deepEqual(
        expected,
        now.devices.map(({ address, driver, driverOverride, bars: all, ...is }) => ({
          device: address,
          ...(driver !== undefined && { driver }),
          ...(driverOverride !== undefined && { driverOverride }),
          // What no step sets is not said: of these cards that is all that is as wished already.
          ...(address === devices[0] && {
            ...(pins.reset?.length === 0 && { resetMethods: is.resetMethods }),
            ...(pins.power && { powerControl: is.powerControl }),
            ...(pins.d3cold !== undefined && { d3coldAllowed: is.d3coldAllowed }),
          }),
          bars: all.filter(({ sizes }) => sizes).map(({ index, size }) => ({ bar: index, size })),
        })),
      );
    });
  }
});
