import { readDescription } from '../../../simulator/description.ts';
import type { MachineSpec } from '../../../simulator/spec.ts';
import type { Setting } from './kernel.ts';

/**
 * A host of examples/hosts on which a guest with devices has run since the last boot: vfio's modules are loaded. Its
 * IOMMU remaps interrupts, as that of this computer may not.
 */
export function bootedWithVfio(name: string): Setting {
  return settingOf(readDescription(`examples/hosts/${name}.yaml`));
}

/** The same for a machine that has no file. */
export function settingOf(spec: MachineSpec): Setting {
  const modules = spec.modules.map((module) =>
    module.name.startsWith('vfio') ? { ...module, loaded: true } : module,
  );
  return { spec: { ...spec, interruptRemapping: true, modules }, faults: [] };
}
