import { advice } from '../hint.ts';
import type { Host } from '../host/host.ts';
import { sysfs } from '../pci/sysfs.ts';
import { quoteName } from '../text.ts';
import type { LoadModule } from './step.ts';
import type { StepDefinition } from './definition.ts';

/**
 * Loads a module so that its PCI driver is registered. Only the driver's directory proves it: modprobe reports success
 * for a module that it leaves out for a blacklist (kmod: tools/modprobe.c), and for one that another process is just
 * loading.
 */
export const loadModule: StepDefinition<LoadModule> = {
  // A driver that comes takes every device that it knows and that has none.
  alone: true,
  describe: ({ module }) => `load module ${module}`,
  command: modprobe,
  already: (step, host) => Promise.resolve(isThere(step, host)),
  apply: async (step, host, deadlineMs) => {
    const { module, driver, blacklist } = step;
    const result = await host.loadModule(module, deadlineMs, {
      ...(driver !== undefined && { driver }),
      obeyBlacklist: blacklist === 'obeyed',
    });
    switch (result.kind) {
      case 'loaded':
        return { kind: 'done' };
      case 'stuck':
        return { kind: 'stuck', path: modprobe(step), writer: result.writer };
      case 'failed':
        return {
          kind: 'failed',
          reason: result.reason,
          hints: [
            advice(
              `try: ${modprobe(step)}; it may be missing from this kernel or forbidden in /etc/modprobe.d`,
            ),
          ],
        };
    }
  },
  verify: (step, host) => {
    const { module, driver, blacklist } = step;
    if (isThere(step, host)) return Promise.resolve(undefined);
    const why = blacklist === 'obeyed' ? `; a blacklist line in /etc/modprobe.d may name ${module}` : '';
    const what = driver === undefined ? `module ${module}` : `PCI driver ${quoteName(driver)}`;
    return Promise.resolve(`there is no ${what} after modprobe${why}`);
  },
};

/** Also for what is part of the kernel: a module with parameters has its directory then, too. */
function isThere({ module, driver }: LoadModule, host: Host): boolean {
  return host.list(driver === undefined ? sysfs.module(module) : sysfs.driver(driver)) !== undefined;
}

function modprobe({ module, blacklist }: LoadModule): string {
  return `modprobe ${blacklist === 'obeyed' ? '-b ' : ''}${module}`;
}
