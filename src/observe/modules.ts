import { sysfs } from '../pci/sysfs.ts';
import type { Host } from '../host/host.ts';

/**
 * Whether this host has its modules where depmod puts them. NixOS has not: then only modprobe knows what there is. A
 * kernel that was updated since the host was started has lost its own directory there, not all of them.
 */
export function hasModules(host: Host): boolean {
  return host.list(sysfs.moduleDirectory) !== undefined;
}

/**
 * The name of a module that can be loaded, with underscores, as modules.dep has it: depmod writes one line
 * `kernel/drivers/vfio/pci/vfio-pci.ko.zst: …` for each. Undefined when this kernel has no such module; what is part
 * of the kernel itself is none.
 */
export function moduleFile(host: Host, release: string, name: string): string | undefined {
  const pattern = name.replace(/[^\w-]/g, '\\$&').replace(/[_-]/g, '[_-]');
  const found = new RegExp(`(?:^|/)(${pattern})\\.ko(?:\\.\\w+)?:`, 'm').exec(
    host.read(sysfs.moduleDependencies(release), 'large') ?? '',
  );
  return found?.[1]?.replaceAll('-', '_');
}
