import { sysfs } from '../pci/sysfs.ts';
import type { SetPowerControl } from './step.ts';
import { outcomeOf, type StepDefinition } from './definition.ts';

/**
 * Sets runtime power management back: vfio-pci turns it to `auto` when it binds and to `on` when it lets go
 * (drivers/vfio/pci/vfio_pci_core.c:vfio_pci_core_register_device, …_unregister_device).
 */
export const setPowerControl: StepDefinition<SetPowerControl> = {
  describe: ({ device, to }) => `set power control of ${device} to ${to}`,
  command: ({ device, to }) => `echo ${to} > ${sysfs.attribute(device, 'power/control')}`,
  already: ({ device, to }, host) =>
    Promise.resolve(host.read(sysfs.attribute(device, 'power/control'))?.trim() === to),
  apply: async ({ device, to }, host, deadlineMs) => {
    const path = sysfs.attribute(device, 'power/control');
    return outcomeOf(await host.write(path, to, deadlineMs), path, {
      ENODEV: 'the device is gone from the bus',
    });
  },
  verify: ({ device, to }, host) => {
    const now = host.read(sysfs.attribute(device, 'power/control'))?.trim();
    return Promise.resolve(
      now === to ? undefined : `power/control reads ${JSON.stringify(now ?? '')} afterwards`,
    );
  },
};
