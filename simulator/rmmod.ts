import { holdersOf, moduleSpec, references } from './modules.ts';
import { refused, succeeded, type ProgramRun } from './programs.ts';
import type { MachineState } from './state.ts';

/** rmmod(8) of kmod for one module: it looks at /sys first, and says what the kernel would only give a number for. */
export function rmmod(state: MachineState, [name = '']: readonly string[]): ProgramRun {
  if (moduleSpec(state, name)?.builtin) return refused(1, `rmmod: ERROR: Module ${name} is builtin.`);
  if (!state.modules[name]) return refused(1, `rmmod: ERROR: Module ${name} is not currently loaded`);
  const holders = holdersOf(state, name);
  if (holders.length > 0)
    return refused(1, `rmmod: ERROR: Module ${name} is in use by: ${holders.join(' ')}`);
  if (references(state, name) > 0) return refused(1, `rmmod: ERROR: Module ${name} is in use`);
  return { ...succeeded(), todo: [{ do: 'unload', module: name }] };
}
