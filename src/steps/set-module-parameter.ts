import type { Host } from '../host/host.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { SetModuleParameter } from './step.ts';
import { outcomeOf, type StepDefinition } from './definition.ts';

/**
 * Sets a parameter that is true or false. The kernel takes `Y` and `1` for the same and prints `Y`
 * (kernel/params.c:param_set_bool, param_get_bool).
 */
export const setModuleParameter: StepDefinition<SetModuleParameter> = {
  describe: ({ module, parameter, to }) => `set parameter ${parameter} of ${module} to ${to}`,
  command: (step) => `echo ${step.to} > ${pathOf(step)}`,
  already: (step, host) => Promise.resolve(now(step, host) === step.to),
  apply: async (step, host, deadlineMs) => {
    const path = pathOf(step);
    return outcomeOf(await host.write(path, step.to, deadlineMs), path, {
      ENOENT: `${step.module} is not loaded, or has no such parameter`,
      EACCES: 'the parameter cannot be changed',
      EROFS: '/sys cannot be written to',
    });
  },
  verify: (step, host) => {
    const text = now(step, host);
    return Promise.resolve(
      text === step.to ? undefined : `the parameter reads ${JSON.stringify(text ?? '')} afterwards`,
    );
  },
};

function pathOf({ module, parameter }: SetModuleParameter): string {
  return sysfs.moduleParameter(module, parameter);
}

function now(step: SetModuleParameter, host: Host): string | undefined {
  return host.read(pathOf(step))?.trim();
}
