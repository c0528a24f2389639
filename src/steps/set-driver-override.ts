import type { Host } from '../host/host.ts';
import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { SetDriverOverride } from './step.ts';
import { readDriverOverride } from './attributes.ts';
import { outcomeOf, type StepDefinition } from './definition.ts';

/**
 * Says which driver alone may bind the device (Documentation/ABI/testing/sysfs-bus-pci, driver_override).
 * It is cleared by a newline: an empty write never reaches the kernel (fs/sysfs/file.c:sysfs_kf_write).
 */
export const setDriverOverride: StepDefinition<SetDriverOverride> = {
  describe: ({ device, to }) =>
    to === undefined ? `clear driver override of ${device}` : `set driver override of ${device} to ${to}`,
  command: ({ device, to }) => `echo ${to ?? ''} > ${sysfs.driverOverride(device)}`.replace('  ', ' '),
  already: async ({ device, to }, host, deadlineMs) => {
    const { busy, override } = await readDriverOverride(host, device, deadlineMs);
    return !busy && override === to && isPresent(host, device);
  },
  apply: async ({ device, to }, host, deadlineMs) => {
    const path = sysfs.driverOverride(device);
    return outcomeOf(await host.write(path, to ?? '', deadlineMs), path, {
      ENOENT: 'the device is gone from the bus',
      ENODEV: 'the device is gone from the bus',
      EINVAL: 'the kernel takes no such driver name',
    });
  },
  verify: async ({ device, to }, host, deadlineMs) => {
    const { busy, override } = await readDriverOverride(host, device, deadlineMs);
    if (busy) return 'the kernel does not answer: it is busy adding or removing the device';
    // Nothing reads like no override.
    if (!isPresent(host, device)) return 'the device is gone from the bus';
    return override === to
      ? undefined
      : `driver_override reads ${JSON.stringify(override ?? '(null)')} afterwards`;
  },
};

function isPresent(host: Host, device: PciAddress): boolean {
  return host.read(sysfs.attribute(device, 'vendor')) !== undefined;
}
