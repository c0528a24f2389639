import type { Host } from '../host/host.ts';
import { overrideText } from '../observe/read-device.ts';
import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';

/**
 * The text of `driver_override`, undefined when it is not set. Linux 6.1 takes the device's lock for the
 * read (drivers/pci/pci-sysfs.c:driver_override_show), hence the deadline; `busy` when it passed. Throws VH_KERNEL when
 * it cannot be read.
 */
export async function readDriverOverride(
  host: Host,
  device: PciAddress,
  deadlineMs: number,
): Promise<{ readonly busy: boolean; readonly override?: string }> {
  const path = sysfs.driverOverride(device);
  const result = await host.readLocked([path], deadlineMs);
  if (result.kind === 'stuck') return { busy: true };
  const override = overrideText(result.texts.get(path));
  return { busy: false, ...(override !== undefined && { override }) };
}
