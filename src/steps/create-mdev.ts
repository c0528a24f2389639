import { advice } from '../hint.ts';
import { availableOf, readMdev, readMdevParents } from '../observe/mdev.ts';
import { typeWords } from '../pci/mdev.ts';
import { sysfs } from '../pci/sysfs.ts';
import { outcomeOf, type StepDefinition, type StepOutcome } from './definition.ts';
import type { CreateMdev } from './step.ts';

/**
 * Makes a mediated device (drivers/vfio/mdev/mdev_sysfs.c:create_store). The UUID is taken while a device that has it is
 * still open, also when that one has left its bus already.
 */
export const createMdev: StepDefinition<CreateMdev> = {
  describe: ({ uuid, type, parent }) => `create mediated device ${uuid} of type ${type} on ${parent}`,
  command: ({ uuid, type, parent }) => `echo ${uuid} > ${sysfs.mdevType(parent, type, 'create')}`,
  already: ({ uuid, type, parent }, host) => {
    const now = readMdev(host, uuid);
    return Promise.resolve(now?.type === type && now.parent === parent);
  },
  apply: async (step, host, deadlineMs): Promise<StepOutcome> => {
    const { uuid, type, parent } = step;
    const path = sysfs.mdevType(parent, type, 'create');
    const full = `${parent} has no room for another one of this type`;
    const outcome = outcomeOf(await host.write(path, uuid, deadlineMs), path, {
      EEXIST: 'there is a device with this UUID, or somebody still has one open that was removed',
      EUSERS: full,
      ENOSPC: full,
      ENOMEM: `${full}, or the kernel is out of memory`,
      ENODEV: `${parent} is losing its driver`,
      EAGAIN: `${parent} is losing its driver`,
      EINVAL: `the driver of ${parent} does not want it; see: dmesg | tail`,
      EIO: `the driver of ${parent} does not make it now; see: dmesg | tail`,
    });
    if (outcome.kind !== 'failed' || availableOf(host, { parent, type }) !== undefined) return outcome;
    const offered =
      readMdevParents(host)
        .find(({ name }) => name === parent)
        ?.types.map(typeWords) ?? [];
    return {
      ...outcome,
      reason:
        offered.length === 0
          ? `${parent} offers no mediated devices`
          : `${parent} offers no such type; it has ${offered.join(', ')}`,
      hints: [advice('see what there is: vfio-hook mdev')],
    };
  },
  verify: ({ uuid, type, parent }, host) => {
    const now = readMdev(host, uuid);
    if (!now) return Promise.resolve('there is no such device afterwards');
    const isRight = now.type === type && now.parent === parent;
    return Promise.resolve(isRight ? undefined : `it is ${now.type} on ${now.parent} afterwards`);
  },
};
