import type { PciAddress } from '../../pci/address.ts';
import type { PciDevice } from '../../pci/device.ts';
import { countsOpens } from '../../pci/open-counts.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../../host/host.ts';
import type { DeviceNode } from './holders.ts';

/**
 * Those of the nodes that some process may have open: all but the ones of drivers whose module has no user at all, where
 * an open would be one. To look for who has them open takes a look at every process of the host.
 *
 * Only a plain 0 counts, of a module that is the kernel's own: a driver that is built in has no count, and what a module
 * from elsewhere does with its nodes is not known.
 */
export function perhapsOpen(
  host: Host,
  devices: readonly Pick<PciDevice, 'address' | 'driverModule'>[],
  nodes: readonly DeviceNode[],
): readonly DeviceNode[] {
  const modules = new Map<PciAddress, string>(
    devices.flatMap(({ address, driverModule }) =>
      driverModule === undefined ? [] : [[address, driverModule] as const],
    ),
  );
  const unused = new Map<string, boolean>();
  const isUnused = (module: string): boolean => {
    const known = unused.get(module) ?? hasNoUser(host, module);
    unused.set(module, known);
    return known;
  };
  return nodes.filter(({ device, path }) => {
    const module = modules.get(device);
    return module === undefined || !countsOpens(module, path) || !isUnused(module);
  });
}

function hasNoUser(host: Host, module: string): boolean {
  const taint = host.read(sysfs.moduleFile(module, 'taint'));
  if (taint === undefined || NOT_OF_THE_KERNEL.test(taint)) return false;
  return host.read(sysfs.moduleFile(module, 'refcnt'))?.trim() === '0';
}

/** Flags of /sys/module/MODULE/taint (Documentation/admin-guide/tainted-kernels.rst): proprietary, from outside of the tree. */
const NOT_OF_THE_KERNEL = /[PO]/;
