import type { Host } from '../host/host.ts';
import { sysfs } from '../pci/sysfs.ts';

/** Whether a module is loaded. What is part of the kernel has a directory, too, and no state (kernel/params.c). */
export function isLoaded(host: Host, module: string): boolean {
  return host.read(sysfs.moduleFile(module, 'initstate'))?.trim() === 'live';
}

/** Modules that use this one: /sys/module/NAME/holders. */
export function modulesUsing(host: Host, module: string): readonly string[] {
  return host.list(sysfs.moduleHolders(module)) ?? [];
}

/** What counts as a use of a module: other modules, open device nodes; undefined when it is not loaded. */
export function usesOfModule(host: Host, module: string): number | undefined {
  const text = host.read(sysfs.moduleFile(module, 'refcnt'))?.trim();
  return text === undefined || text === '' ? undefined : Number(text);
}

/** The PCI drivers of a module, with the addresses of the devices that are on them. */
export function driversOfModule(
  host: Host,
  module: string,
): readonly { readonly driver: string; readonly devices: readonly string[] }[] {
  const names = (host.list(sysfs.moduleDrivers(module)) ?? []).filter((name) => name.startsWith('pci:'));
  return names.map((name) => {
    const driver = name.slice('pci:'.length);
    const devices = (host.list(sysfs.driver(driver)) ?? []).filter((entry) => DEVICE.test(entry));
    return { driver, devices };
  });
}

/** How a device's link is called in the directory of its driver. */
const DEVICE = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/;
