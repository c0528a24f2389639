import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import type { PciDevice } from '../pci/device.ts';

/** How a rule names devices. */
export type DeviceMatch =
  | { readonly by: 'address'; readonly address: PciAddress }
  | { readonly by: 'id'; readonly vendor: string; readonly device: string }
  | { readonly by: 'class'; readonly word: ClassWord };

/**
 * Words for classes of devices (PCI Code and ID Assignment Specification): the prefix of the six class
 * digits that each one stands for.
 */
export const classWords = {
  vga: '0300',
  '3d': '0302',
  display: '03',
  audio: '0403',
  network: '02',
  nvme: '0108',
  storage: '01',
  usb: '0c03',
} as const;

export type ClassWord = keyof typeof classWords;

/** Reads `0000:03:00.0`, `1002:744c` or `vga`; undefined for anything else. */
export function parseDeviceMatch(text: string): DeviceMatch | undefined {
  const address = parsePciAddress(text);
  if (address) return { by: 'address', address };
  const id = /^([0-9a-f]{4}):([0-9a-f]{4})$/i.exec(text);
  if (id) return { by: 'id', vendor: (id[1] ?? '').toLowerCase(), device: (id[2] ?? '').toLowerCase() };
  return Object.hasOwn(classWords, text) ? { by: 'class', word: text as ClassWord } : undefined;
}

/** The text that {@link parseDeviceMatch} reads, in its canonical form. */
export function formatDeviceMatch(match: DeviceMatch): string {
  switch (match.by) {
    case 'address':
      return match.address;
    case 'id':
      return `${match.vendor}:${match.device}`;
    case 'class':
      return match.word;
  }
}

/** Whether a rule's `match` names this device. */
export function matchesDevice(
  match: DeviceMatch,
  device: Pick<PciDevice, 'address' | 'vendor' | 'device' | 'class'>,
): boolean {
  switch (match.by) {
    case 'address':
      return match.address === device.address;
    case 'id':
      return match.vendor === device.vendor && match.device === device.device;
    case 'class':
      return device.class.startsWith(classWords[match.word]);
  }
}
