import { advice } from '../hint.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { LoadModule } from '../plan/step.ts';
import type { StepDefinition } from './definition.ts';

/** Loads a module so that its PCI driver is registered. */
export const loadModule: StepDefinition<LoadModule> = {
  describe: ({ module }) => `load module ${module}`,
  command: ({ module }) => `modprobe ${module}`,
  already: ({ driver }, host) => Promise.resolve(host.list(sysfs.driver(driver)) !== undefined),
  apply: async ({ module }, host, deadlineMs) => {
    const result = await host.loadModule(module, deadlineMs);
    switch (result.kind) {
      case 'loaded':
        return { kind: 'done' };
      case 'stuck':
        return { kind: 'stuck', path: `modprobe ${module}`, writer: result.writer };
      case 'failed':
        return {
          kind: 'failed',
          reason: result.reason,
          hints: [
            advice(
              `try: modprobe ${module}; it may be missing from this kernel or blacklisted in /etc/modprobe.d`,
            ),
          ],
        };
    }
  },
  verify: ({ module, driver }, host) =>
    Promise.resolve(
      host.list(sysfs.driver(driver)) === undefined
        ? `module ${module} is loaded, but there is no PCI driver ${JSON.stringify(driver)}`
        : undefined,
    ),
};
