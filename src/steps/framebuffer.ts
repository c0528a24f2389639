import type { Host } from '../host/host.ts';
import { firmwareFramebuffers } from '../observe/consoles.ts';
import { sysfs } from '../pci/sysfs.ts';
import { outcomeOf, type StepDefinition } from './definition.ts';
import type { ChangeFramebuffer } from './step.ts';

/** Writes to `bind` or `unbind` of a driver on the bus of the platform (drivers/base/bus.c:bind_store, unbind_store). */
export const framebuffer: StepDefinition<ChangeFramebuffer> = {
  describe: ({ key, driver, to }) =>
    to === 'unbind' ? `release ${key} from ${driver}` : `give ${key} back to ${driver}`,
  command: ({ key, driver, to }) => `echo ${key} > ${sysfs.platformBinding(driver, to)}`,
  already: (step, host) => Promise.resolve(wrong(step, host) === undefined),
  apply: async ({ key, driver, to }, host, deadlineMs) => {
    const path = sysfs.platformBinding(driver, to);
    return outcomeOf(await host.write(path, key, deadlineMs), path, {
      ENOENT: `the kernel has no driver ${driver} any more`,
      ENODEV:
        to === 'unbind'
          ? 'it is not on that driver any more'
          : 'the kernel has taken it away until the next boot',
      EBUSY: 'something else uses its memory',
    });
  },
  verify: (step, host) => Promise.resolve(wrong(step, host)),
};

function wrong({ key, driver, to }: ChangeFramebuffer, host: Host): string | undefined {
  const now = firmwareFramebuffers(host).find(({ name }) => name === key)?.driver ?? '';
  if (now === (to === 'unbind' ? '' : driver)) return undefined;
  return now === '' ? 'no driver has it afterwards' : `it is on ${now} afterwards`;
}
