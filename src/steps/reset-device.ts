import { command } from '../hint.ts';
import { silentDevices } from '../observe/silent-devices.ts';
import { sysfs } from '../pci/sysfs.ts';
import { orMessage, outcomeOf, type StepDefinition } from './definition.ts';
import type { ResetDevice } from './step.ts';

/**
 * Resets a device (drivers/pci/pci-sysfs.c:reset_store, pci.c:pci_reset_function): the first of its reset methods that works.
 * The write waits for the locks of the device and of the bridge above. Configuration space and BAR sizes are as before
 * then, and whether the card is well shows in that it answers.
 */
export const resetDevice: StepDefinition<ResetDevice> = {
  describe: ({ device }) => `reset ${device}`,
  command: ({ device }) => `echo 1 > ${sysfs.attribute(device, 'reset')}`,
  already: () => Promise.resolve(false),
  apply: async ({ device }, host, deadlineMs) => {
    const path = sysfs.attribute(device, 'reset');
    const outcome = outcomeOf(await host.write(path, '1', deadlineMs), path, {
      ENOENT: 'the kernel knows no way to reset it alone',
      ENOTTY:
        'none of its reset methods works: they are switched off, or bus is the only one and it is not alone on its bus',
      EAGAIN: 'somebody else has the locks of the device or of its bus',
      ENODEV: 'the device is gone from the bus',
      EINVAL: 'the kernel does not take the write',
      EIO: 'the device does not answer',
      ETIMEDOUT: 'the device has not come back in time',
    });
    if (outcome.kind !== 'failed') return outcome;
    // Without the errno: that the card answers afterwards does not make up for a reset that was refused.
    return {
      kind: 'failed',
      reason: outcome.reason,
      hints: [command(`cat ${sysfs.attribute(device, 'reset_method')}`)],
    };
  },
  verify: ({ device }, host, deadlineMs) =>
    orMessage(async () => {
      const silent = await silentDevices(host, [device], deadlineMs);
      return silent.length === 0 ? undefined : 'it answers every read with ones afterwards';
    }),
};
