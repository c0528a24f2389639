import { sysfs } from '../pci/sysfs.ts';
import type { Bind } from './step.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import { outcomeOf, type StepDefinition } from './definition.ts';

/**
 * Gives a device to a driver by that driver's own `bind`, which returns the true errno
 * (drivers/base/bus.c:bind_store); `drivers_probe` reports success when nothing happened.
 */
export const bind: StepDefinition<Bind> = {
  describe: ({ device, driver }) => `bind ${device} to ${driver}`,
  command: ({ device, driver }) => `echo ${device} > ${sysfs.bind(driver)}`,
  already: ({ device, driver }, host) => Promise.resolve(boundDriver(host, device) === driver),
  apply: async ({ device, driver }, host, deadlineMs) => {
    const path = sysfs.bind(driver);
    return outcomeOf(await host.write(path, device, deadlineMs), path, {
      EBUSY: 'another driver took it meanwhile, or a guest owns its IOMMU group',
      ENODEV: `${driver} does not accept the device, or its driver override names another driver`,
      ENOENT: `there is no driver ${driver}`,
      EINVAL: `${driver} cannot serve the device: it has no IOMMU group, or it is on vfio-pci's deny list`,
      EAGAIN: `${driver} waits for another device first`,
      ENOMEM: 'the kernel is out of memory',
      EIO: 'the device does not answer',
    });
  },
  verify: ({ device, driver }, host) => {
    const now = boundDriver(host, device);
    return Promise.resolve(
      now === driver ? undefined : `it is ${now === undefined ? 'driverless' : `bound to ${now}`} afterwards`,
    );
  },
};
