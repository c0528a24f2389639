import type { ComparedKernel } from './compare.ts';
import { playedDevices } from './devices.ts';

/**
 * Takes a freshly booted kernel to where sequences begin. The list of reset methods is made while the bus is being
 * scanned, before a device's siblings are there, and cannot be had again once it was written: all devices get the
 * list that the kernel makes now.
 */
export async function normalise(kernel: ComparedKernel): Promise<void> {
  for (const { address } of playedDevices) {
    const write = `/sys/bus/pci/devices/${address}/reset_method`;
    if (kernel.text(write) !== undefined) await kernel.perform({ write, data: 'default\n' });
  }
}
