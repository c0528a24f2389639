import type { PciDevice } from '../pci/device.ts';
import type { Config, DeviceRule } from './config.ts';
import { matchesDevice } from './match.ts';

/** What all matching rules together say about one device. */
export type DeviceSettings = Omit<DeviceRule, 'match'>;

/**
 * The settings of one device: every rule that matches it, in order, a later one winning BAR by BAR, for the
 * driver, for each of reset, power and d3cold, for all that is done between and for all that is allowed. A device that no rule matches has no sizes and no driver.
 */
export function ruleFor(
  config: Pick<Config, 'devices'>,
  device: Pick<PciDevice, 'address' | 'vendor' | 'device' | 'class'>,
): DeviceSettings {
  const bars = new Map<number, number>();
  let driver: string | undefined;
  let allow: DeviceRule['allow'];
  let between: DeviceRule['between'];
  let pins: Pick<DeviceRule, 'reset' | 'power' | 'd3cold'> = {};
  for (const rule of config.devices) {
    if (!matchesDevice(rule.match, device)) continue;
    for (const [index, bytes] of rule.bars) bars.set(index, bytes);
    driver = rule.driver ?? driver;
    allow = rule.allow ?? allow;
    between = rule.between ?? between;
    const { reset, power, d3cold } = rule;
    pins = {
      ...pins,
      ...(reset && { reset }),
      ...(power !== undefined && { power }),
      ...(d3cold !== undefined && { d3cold }),
    };
  }
  return {
    bars,
    ...(driver !== undefined && { driver }),
    ...pins,
    ...(between && { between }),
    ...(allow && { allow }),
  };
}

/** The drivers that any rule asks for, in order; one may be there twice. */
export function askedDrivers({ devices }: Pick<Config, 'devices'>): string[] {
  return devices.flatMap(({ driver }) => driver ?? []);
}
