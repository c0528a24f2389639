import { sysfs } from '../pci/sysfs.ts';
import type { Host } from '../host/host.ts';

/** The release of the running kernel, such as `6.12.107+deb13-amd64`. */
export function kernelRelease(host: Host): string {
  return (host.read(sysfs.kernelRelease) ?? '').trim();
}
