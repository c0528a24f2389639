import type { Host } from '../host/host.ts';
import { availableOf, openMdev, readMdev } from '../observe/mdev.ts';
import { sysfs } from '../pci/sysfs.ts';
import { outcomeOf, type StepDefinition } from './definition.ts';
import type { RemoveMdev } from './step.ts';

/**
 * Takes a mediated device away (mdev_sysfs.c:remove_store). The file deletes itself first, then the device leaves its bus,
 * and then the kernel waits for whoever has it open, for ever and with no signal to end it: so it is looked at right before
 * the write. That it is off its bus proves nothing afterwards; that there can be one more of its type does.
 */
export const removeMdev: StepDefinition<RemoveMdev> = {
  describe: ({ uuid }) => `remove mediated device ${uuid}`,
  command: ({ uuid }) => `echo 1 > ${sysfs.mdev(uuid)}/remove`,
  already: (step, host) => Promise.resolve(remaining(step, host) === undefined),
  apply: async ({ uuid }, host, deadlineMs) => {
    const open = openMdev(host, uuid);
    if (open !== undefined) return { kind: 'failed', reason: `it is open in ${open}` };
    const path = `${sysfs.mdev(uuid)}/remove`;
    return outcomeOf(await host.write(path, '1', deadlineMs), path, {
      ENOENT: 'it is gone, or somebody has begun to remove it',
      ENODEV: 'its parent is losing its driver',
      EAGAIN: 'its parent is losing its driver',
      EBUSY: 'it is in use',
    });
  },
  verify: (step, host) => Promise.resolve(remaining(step, host)),
};

/** What of it is still there, in words. A parent that is gone has taken its devices along. */
function remaining(step: RemoveMdev, host: Host): string | undefined {
  const { uuid, parent, available } = step;
  if (readMdev(host, uuid)) return 'it is there afterwards';
  const now = availableOf(host, step);
  if (now === undefined) return undefined;
  if (host.list(`${sysfs.mdevParent(parent)}/${uuid}`) === undefined && now > available) return undefined;
  return `there is room for ${now} more of its type and was for ${available} while it was there, so somebody still has it open`;
}
