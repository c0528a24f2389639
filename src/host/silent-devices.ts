import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import { notAnswering } from './not-answering.ts';
import type { Host } from './host.ts';

/**
 * Those of the devices that answer every read with ones, as a card does that fell off the bus or does not wake up: no
 * maker has the id ffff (PCI Local Bus specification, 6.2.1). What the kernel keeps of them in sysfs does not show it,
 * so the card itself is read. Throws VH_STUCK when it does not return.
 */
export async function silentDevices(
  host: Host,
  devices: readonly PciAddress[],
  deadlineMs: number,
): Promise<PciAddress[]> {
  const answers = await Promise.all(
    devices.map(async (address) => {
      const read = await host.readSlow(sysfs.attribute(address, 'config'), 2, deadlineMs);
      if (read.kind === 'stuck') throw notAnswering(read);
      return read.bytes?.length === 2 && read.bytes.every((byte) => byte === 0xff);
    }),
  );
  return devices.filter((_, index) => answers[index]);
}
