import type { PciDevice } from '../pci/device.ts';
import { bestHostModule, parseBuiltinAliases, parseHostAliases } from '../pci/modalias.ts';
import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Host } from '../host/host.ts';

/**
 * The module of the host that would serve each of these devices, where one fits: from modules.alias, and from
 * modules.builtin.modinfo for what is part of the kernel. Files that are not there say nothing.
 */
export function hostModules(
  host: Host,
  kernelRelease: string,
  devices: readonly PciDevice[],
): ReadonlyMap<PciAddress, string> {
  if (devices.length === 0) return new Map();
  const vendors = [...new Set(devices.map(({ vendor }) => vendor))];
  const aliases = [
    ...parseHostAliases(host.read(sysfs.modulesAlias(kernelRelease), 'large') ?? '', vendors),
    ...parseBuiltinAliases(host.read(sysfs.builtinModules(kernelRelease), 'large') ?? ''),
  ];
  return new Map(
    devices.flatMap(({ address, modalias }) => {
      const module = bestHostModule(modalias, aliases);
      return module === undefined ? [] : [[address, module] as const];
    }),
  );
}
