import type { PciAddress } from '../pci/address.ts';
import { deviceAt, type Snapshot } from '../pci/snapshot.ts';
import type { Plan } from './plan.ts';
import type { Pins } from './pins.ts';
import { subjectOf } from '../steps/step.ts';

/** What a device is to be like once every step of a plan is done. */
export interface After {
  readonly device: PciAddress;
  /** Absent: no driver. */
  readonly driver?: string;
  readonly driverOverride?: string;
  /** Where a step sets it; and so are the next two. */
  readonly resetMethods?: readonly string[];
  readonly powerControl?: 'on' | 'auto';
  readonly d3coldAllowed?: boolean;
  /** Resizable BARs with their sizes in bytes. */
  readonly bars: readonly { readonly bar: number; readonly size: number }[];
}

/** What the steps of a plan come to, for each device of its groups, in the plan's order. */
export function stateAfter({ verdicts, steps }: Plan, snapshot: Snapshot): After[] {
  return verdicts.flatMap(({ device: address }) => {
    const device = deviceAt(snapshot, address);
    if (!device) return [];
    let { driver, driverOverride } = device;
    const sizes = new Map(device.bars.filter(({ sizes }) => sizes).map(({ index, size }) => [index, size]));
    let pins: Pins = {};
    for (const step of steps) {
      if (subjectOf(step).device !== address) continue;
      if (step.kind === 'unbind') driver = undefined;
      else if (step.kind === 'bind') {
        ({ driver } = step);
        // The driver sets it itself, so that what was written between is gone (drivers/vfio/pci/vfio_pci_core.c).
        const { powerControl, ...rest } = pins;
        if (powerControl !== undefined) pins = rest;
      } else if (step.kind === 'resize-bar') sizes.set(step.bar, step.to);
      else if (step.kind !== 'set') continue;
      else if (step.attribute === 'driver-override') driverOverride = step.to === '' ? undefined : step.to;
      else if (step.attribute === 'reset-methods')
        pins = { ...pins, resetMethods: step.to.split(' ').filter(Boolean) };
      else if (step.attribute === 'power-control')
        pins = { ...pins, powerControl: step.to === 'on' ? 'on' : 'auto' };
      else if (step.attribute === 'd3cold-allowed') pins = { ...pins, d3coldAllowed: step.to === '1' };
    }
    return [
      {
        device: address,
        ...(driver !== undefined && { driver }),
        ...(driverOverride !== undefined && { driverOverride }),
        ...pins,
        bars: [...sizes].map(([bar, size]) => ({ bar, size })),
      },
    ];
  });
}
