import { plural } from '../count.ts';
import { describeHolders } from '../observe/describe-holders.ts';
import { driversOfModule, isLoaded, modulesUsing, usesOfModule } from '../observe/loaded-modules.ts';
import type { Host } from '../host/host.ts';
import { advice, command as hint } from '../hint.ts';
import { nvidiaNodesOf } from '../pci/nvidia.ts';
import { quoteName } from '../text.ts';
import type { StepDefinition, StepOutcome } from './definition.ts';
import type { UnloadModule } from './step.ts';

/**
 * Takes out one module by rmmod(8), which, other than modprobe -r, takes nothing else along. delete_module(2) refuses while
 * other modules or open files use it (EAGAIN, kernel/module/main.c:try_stop_module), and one that has no way out (EBUSY); the
 * module's own way out may then wait without end. Its drivers give up every device that they have, so one that must only go
 * where it is idle is looked at just before. Whether it is gone is read back.
 */
export const unloadModule: StepDefinition<UnloadModule> = {
  alone: true,
  describe: ({ module }) => `unload module ${module}`,
  command: ({ module }) => `rmmod ${module}`,
  already: ({ module }, host) => Promise.resolve(!isLoaded(host, module)),
  apply: async ({ module, idle }, host, deadlineMs) => {
    const busy = idle && inUse(host, module);
    if (busy) return stays(module, busy);
    const result = await host.run('rmmod', [module], deadlineMs);
    if (result.kind === 'stuck') return { kind: 'stuck', path: `rmmod ${module}`, writer: result.writer };
    if (result.status === 0) return { kind: 'done' };
    const reason = whyNot(host, module, result.stderr);
    if (idle) return stays(module, reason);
    return {
      kind: 'failed',
      reason,
      hints: [hint(`lsmod | grep ${module}`), hint('fuser -v /dev/nvidia* /dev/dri/*'), advice(LATER)],
    };
  },
  verify: ({ module, idle }, host) =>
    Promise.resolve(!idle && isLoaded(host, module) ? `module ${module} is still there` : undefined),
};

const LATER = 'end those programs, or stop their services by services: {stop: […]} of the guest';

function stays(module: string, why: string): StepOutcome {
  return { kind: 'done', remark: `module ${module} stays loaded: ${why}` };
}

/** Why a module is not idle; undefined when it is. */
function inUse(host: Host, module: string): string | undefined {
  const devices = driversOfModule(host, module).flatMap((each) => each.devices);
  if (devices.length > 0) return `${devices.join(', ')} ${plural(devices.length, 'is', 'are')} on its driver`;
  const others = modulesUsing(host, module);
  if (others.length > 0) return `${others.join(', ')} ${plural(others.length, 'uses', 'use')} it`;
  const uses = usesOfModule(host, module) ?? 0;
  return uses > 0 ? `it is in use (${uses})` : undefined;
}

/** Who uses it, as far as that can be seen: the kernel itself only says that somebody does. */
function whyNot(host: Host, module: string, said: string): string {
  const others = modulesUsing(host, module);
  if (others.length > 0) return `${others.join(', ')} ${plural(others.length, 'uses', 'use')} it`;
  const nodes = nvidiaNodesOf(module, host.list('/dev') ?? [], host.list('/dev/dri') ?? []);
  const holders = host.holders(nodes);
  if (holders.length > 0) {
    const paths = [...new Set(holders.map(({ path }) => path))].join(', ');
    return `${paths} ${plural(holders.length, 'is', 'are')} open in ${describeHolders(holders)}`;
  }
  const uses = usesOfModule(host, module) ?? 0;
  if (uses > 0)
    return `it is in use (${uses}), by nobody who can be seen: the text console, or the kernel itself`;
  const line = said.trim().split('\n')[0] ?? '';
  return line === '' ? 'rmmod does not say why' : `rmmod says ${quoteName(line.slice(0, 200))}`;
}
