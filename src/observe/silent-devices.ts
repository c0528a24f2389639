import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import { notAnswering } from './not-answering.ts';
import type { Host } from '../host/host.ts';

/** Bytes of the header that devices of all kinds have in common, up to the header type. */
const HEADER = 15;

/**
 * Those of the devices that answer every read with ones, as a card does that fell off the bus or does not wake up.
 * What the kernel keeps of them in sysfs does not show it, so the card itself is read: more than its ids, which are ones
 * in every virtual function (PCI Express Base Specification, 9.3.4.1.1 and 9.3.4.1.2), down to its header type, which
 * has no such value. Throws VH_STUCK when it does not return.
 */
export async function silentDevices(
  host: Host,
  devices: readonly PciAddress[],
  deadlineMs: number,
): Promise<PciAddress[]> {
  const answers = await Promise.all(
    devices.map(async (address) => {
      const read = await host.readSlow(sysfs.attribute(address, 'config'), HEADER, deadlineMs);
      if (read.kind === 'stuck') throw notAnswering(read);
      return read.bytes?.length === HEADER && read.bytes.every((byte) => byte === 0xff);
    }),
  );
  return devices.filter((_, index) => answers[index]);
}
