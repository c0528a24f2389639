import assert from 'node:assert/strict';
import type { FaultEffect } from '../../simulator/faults.ts';
import { createMachine, type Machine } from '../../simulator/machine.ts';
import type { StepOutcome } from '../../src/steps/definition.ts';
import { describeStep, doStep, stepCommand } from '../../src/steps/index.ts';
import { observe } from '../simulator/observe.ts';
import { machineSpec, pci } from '../scenario.ts';

const USB = pci('0000:0f:00.3');
const step = { kind: 'probe', device: USB } as const;

/** A machine whose USB controller has no driver. */
async function machine(): Promise<Machine> {
  const made = createMachine(machineSpec('amd-rdna3-desktop'));
  await made.host().write('/sys/bus/pci/drivers/xhci_hcd/unbind', USB, 100);
  return made;
}

const driver = (on: Machine): string | undefined => observe(on.state())[`${USB} driver`];

describe('probe', () => {
  it('says what it does, also as a shell user would type it', () => {
    assert.equal(describeStep(step), `offer ${USB} to the drivers of the host`);
    assert.equal(stepCommand(step), `echo ${USB} > /sys/bus/pci/drivers_probe`);
  });

  it('gives the device to the driver that takes it, and writes nothing when it has one', async () => {
    const on = await machine();
    assert.deepEqual(await doStep(step, on.host(), 100), { kind: 'done' });
    assert.equal(driver(on), 'xhci_hcd');
    const writes = on.journal().length;
    assert.deepEqual(await doStep(step, on.host(), 100), { kind: 'skipped' });
    assert.equal(on.journal().length, writes);
  });

  const cases: readonly (readonly [effect: FaultEffect, outcome: StepOutcome, name: string])[] = [
    [{ kind: 'lie' }, { kind: 'done' }, 'no driver takes it, which is no failure'],
    [
      { kind: 'fail', errno: 'EINVAL' },
      { kind: 'failed', reason: 'EINVAL (a driver wanted it and could not start; see: dmesg | tail)' },
      'a driver could not start, though the device is as driverless as without any',
    ],
    [
      { kind: 'fail', errno: 'ENODEV' },
      { kind: 'failed', reason: 'ENODEV (the device is gone from the bus)' },
      'the device is gone',
    ],
  ];
  for (const [effect, outcome, name] of cases) {
    it(name, async () => {
      const on = await machine();
      on.perform({ do: 'fault', rule: { path: '*/drivers_probe', effect } });
      assert.deepEqual(await doStep(step, on.host(), 100), outcome);
      assert.equal(driver(on), 'none');
    });
  }

  it('finds out that vfio-pci took it again', async () => {
    const on = await machine();
    on.perform({ do: 'load', module: 'vfio-pci' });
    await on.host().write('/sys/bus/pci/devices/0000:0f:00.3/driver_override', 'vfio-pci', 100);
    assert.deepEqual(await doStep(step, on.host(), 100), {
      kind: 'failed',
      reason:
        'the kernel reported success, but vfio-pci took it again: the option ids of its module names the device',
    });
  });

  it('names a write that does not return', async () => {
    const on = await machine();
    on.perform({ do: 'fault', rule: { path: '*/drivers_probe', effect: { kind: 'hang' } } });
    const outcome = await doStep(step, on.host(), 50);
    assert.deepEqual(
      [outcome.kind, outcome.kind === 'stuck' && outcome.path],
      ['stuck', '/sys/bus/pci/drivers_probe'],
    );
  });
});
