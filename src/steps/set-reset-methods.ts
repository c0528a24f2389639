import type { Host } from '../host/host.ts';
import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { SetResetMethods } from './step.ts';
import { outcomeOf, type StepDefinition } from './definition.ts';

/** Sets the order of reset methods (Documentation/ABI/testing/sysfs-bus-pci, reset_method; Linux 5.15). */
export const setResetMethods: StepDefinition<SetResetMethods> = {
  describe: ({ device, to }) => `set reset methods of ${device} to ${to.join(' ') || 'none'}`,
  command: ({ device, to }) => `echo "${to.join(' ')}" > ${sysfs.attribute(device, 'reset_method')}`,
  already: ({ device, to }, host) => Promise.resolve(resetMethods(host, device) === to.join(' ')),
  apply: async ({ device, to }, host, deadlineMs) => {
    const path = sysfs.attribute(device, 'reset_method');
    return outcomeOf(await host.write(path, to.join(' '), deadlineMs), path, {
      EINVAL: 'the device does not have one of these methods',
      ENODEV: 'the device is gone from the bus',
    });
  },
  verify: ({ device, to }, host) => {
    const now = resetMethods(host, device);
    return Promise.resolve(
      now === to.join(' ') ? undefined : `reset_method reads ${JSON.stringify(now)} afterwards`,
    );
  },
};

function resetMethods(host: Host, device: PciAddress): string | undefined {
  return host.read(sysfs.attribute(device, 'reset_method'))?.trim();
}
