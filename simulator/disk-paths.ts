import type { DiskDescription } from './description-disk.ts';

/** Where a disk is below its PCI device's directory. */
export function directoryOf({ name, usb }: DiskDescription): string {
  const number = name.charCodeAt(2) - 'a'.charCodeAt(0);
  const scsi = (host: number): string => `host${host}/target${host}:0:0/${host}:0:0:0/block/${name}`;
  if (usb !== undefined) return `${interfaceOf(usb)}/${scsi(number)}`;
  if (name.startsWith('nvme')) return `nvme/${name.replace(/n\d+$/, '')}/${name}`;
  if (name.startsWith('vd')) return `virtio${number}/block/${name}`;
  if (name.startsWith('mmc')) return `mmc_host/mmc0/mmc0:0001/block/${name}`;
  return `ata${number + 1}/${scsi(number)}`;
}

/** The directory of a USB device's only interface: `usb1/1-4/1-4:1.0`. */
export function interfaceOf(port: string): string {
  return `usb${port.split('-')[0] ?? ''}/${port}/${port}:1.0`;
}

/** As mount tables write blanks and backslashes (fs/proc_namespace.c:mangle). */
export function mangled(text: string): string {
  return text.replace(/[ \t\n\\#]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
