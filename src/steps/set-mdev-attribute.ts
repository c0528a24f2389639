import { readMdev } from '../observe/mdev.ts';
import { sysfs } from '../pci/sysfs.ts';
import { quoteName } from '../text.ts';
import { outcomeOf, type StepDefinition } from './definition.ts';
import type { SetMdevAttribute } from './step.ts';

/**
 * Writes to a file of a new device: `nvidia/vgpu_params`, `assign_adapter`. Each is the parent's driver's own affair: some
 * cannot be read, some take one value after the other, some print another text than was written. So what the kernel says to
 * the write is all that there is.
 */
export const setMdevAttribute: StepDefinition<SetMdevAttribute> = {
  describe: ({ uuid, name, to }) => `write ${quoteName(to)} to ${name} of mediated device ${uuid}`,
  command: ({ uuid, name, to }) => `echo '${to.replaceAll("'", `'\\''`)}' > ${sysfs.mdev(uuid)}/${name}`,
  already: () => Promise.resolve(false),
  apply: async ({ uuid, name, to }, host, deadlineMs) => {
    const path = `${sysfs.mdev(uuid)}/${name}`;
    const outcome = outcomeOf(await host.write(path, to, deadlineMs), path, {
      ENOENT: 'the device has no such file',
      EACCES: 'the file cannot be written',
      EINVAL: "the parent's driver does not take this value",
      EPERM: "the parent's driver does not take it now",
      EBUSY: 'the device is in use',
    });
    // Without an errno: that the device is there afterwards does not make a refused write a success.
    return outcome.kind === 'failed' ? { kind: 'failed', reason: outcome.reason } : outcome;
  },
  verify: ({ uuid }, host) =>
    Promise.resolve(readMdev(host, uuid) ? undefined : 'the device is gone afterwards'),
};
