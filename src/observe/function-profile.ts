import type { Host } from '../host/host.ts';
import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';

/**
 * Where the driver of a graphics card deals out shares to its functions; undefined when it does not. xe: below the device
 * (Documentation/ABI/testing/sysfs-driver-intel-xe-sriov); i915-sriov-dkms: below its DRM card, for each GT.
 */
export function profilePlace(
  host: Host,
  card: PciAddress,
):
  | { readonly interface: 'xe' }
  | { readonly interface: 'prelim'; readonly card: string; readonly gts: readonly string[] }
  | undefined {
  if (host.list(sysfs.attribute(card, 'sriov_admin')) !== undefined) return { interface: 'xe' };
  for (const name of host.list(sysfs.attribute(card, 'drm')) ?? []) {
    const parts = host.list(sysfs.attribute(card, `drm/${name}/prelim_iov/pf`));
    if (parts === undefined || !/^card\d+$/.test(name)) continue;
    return { interface: 'prelim', card: name, gts: parts.filter((part) => /^gt\d$/.test(part)) };
  }
  return undefined;
}
