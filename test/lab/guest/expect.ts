import assert from 'node:assert/strict';

import { driverOf } from './sysfs.ts';

/** Every one of the devices is on this driver (undefined: on none). */
export function expectDriver(driver: string | undefined, ...devices: readonly string[]): void {
  for (const device of devices) assert.equal(driverOf(device), driver, `driver of ${device}`);
}

/**
 * The size that a guest's boot sector reported for BAR 2: the lowest bit that could be set, the low four bits being
 * flags (PCI Local Bus Specification 3.0, section 6.2.5.1).
 */
export function reportedBar2(report: string): bigint {
  const digits = /BAR2 ([0-9a-f]{16})/.exec(report)?.[1];
  if (digits === undefined) throw new Error(`the guest reported no BAR 2: ${JSON.stringify(report)}`);
  const mask = BigInt(`0x${digits}`) & ~0xfn;
  return mask & -mask;
}
