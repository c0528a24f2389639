import { sysfs } from '../pci/sysfs.ts';
import { isVfioName } from '../pci/vfio-name.ts';
import type { Probe } from './step.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import { outcomeOf, type StepDefinition } from './definition.ts';

/**
 * Offers a device to the drivers of the host. `drivers_probe` is a success also when no driver wants the
 * device (drivers/base/bus.c:drivers_probe_store), which is no failure here: a host may have none. It is
 * EINVAL when a driver wanted it and could not start.
 */
export const probe: StepDefinition<Probe> = {
  describe: ({ device }) => `offer ${device} to the drivers of the host`,
  command: ({ device }) => `echo ${device} > ${sysfs.driversProbe}`,
  already: ({ device }, host) => Promise.resolve(boundDriver(host, device) !== undefined),
  apply: async ({ device }, host, deadlineMs) => {
    const path = sysfs.driversProbe;
    const outcome = outcomeOf(await host.write(path, device, deadlineMs), path, {
      ENODEV: 'the device is gone from the bus',
      EINVAL: 'a driver wanted it and could not start; see: dmesg | tail',
    });
    if (outcome.kind !== 'failed' || boundDriver(host, device) !== undefined) return outcome;
    // Without an errno: being driverless afterwards does not make a refused write a success.
    return { kind: 'failed', reason: outcome.reason };
  },
  verify: ({ device }, host) => {
    const driver = boundDriver(host, device);
    return Promise.resolve(
      driver !== undefined && isVfioName(driver)
        ? `${driver} took it again: the option ids of its module names the device`
        : undefined,
    );
  },
};
