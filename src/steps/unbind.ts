import { sysfs } from '../pci/sysfs.ts';
import type { Unbind } from './step.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import { outcomeOf, type StepDefinition } from './definition.ts';

/**
 * Takes a device from its driver. The `driver` link vanishes before the driver lets go
 * (drivers/base/dd.c:__device_release_driver), so a missing link alone proves nothing: only the write's
 * return does. The driver's own directory is named, never the device's link, which may point to another
 * driver by the time of the write.
 */
export const unbind: StepDefinition<Unbind> = {
  describe: ({ device, driver }) => `unbind ${device} from ${driver}`,
  command: ({ device, driver }) => `echo ${device} > ${sysfs.unbind(driver)}`,
  already: ({ device }, host) => Promise.resolve(boundDriver(host, device) === undefined),
  apply: async ({ device, driver }, host, deadlineMs) => {
    const path = sysfs.unbind(driver);
    return outcomeOf(await host.write(path, device, deadlineMs), path, {
      ENODEV: `it is not bound to ${driver} any more`,
      ENOENT: `there is no driver ${driver} any more`,
      EACCES: `the driver ${driver} cannot be unbound by hand`,
    });
  },
  verify: ({ device }, host) => {
    const driver = boundDriver(host, device);
    return Promise.resolve(driver === undefined ? undefined : `it is bound to ${driver} afterwards`);
  },
};
