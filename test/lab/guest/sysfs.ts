import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync, writeSync } from 'node:fs';

/** The attribute `name` of a PCI device. */
export function attribute(device: string, name: string): string {
  return `/sys/bus/pci/devices/${device}/${name}`;
}

/** A file's text without the newline at its end, or undefined when it is not there. */
export function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1').replace(/\n$/, '');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Last part of a link's target, or undefined when there is no such link. */
export function linkName(path: string): string | undefined {
  try {
    return readlinkSync(path).split('/').pop();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The driver that a device is bound to. */
export function driverOf(device: string): string | undefined {
  return linkName(attribute(device, 'driver'));
}

/** Addresses of all PCI devices. */
export function pciDevices(): readonly string[] {
  return readdirSync('/sys/bus/pci/devices').sort();
}

/** Addresses in the IOMMU group of a device. */
export function groupOf(device: string): readonly string[] {
  return readdirSync(attribute(device, 'iommu_group/devices')).sort();
}

/**
 * One write(2) of the value and a newline to an existing file.
 * @returns the kernel's answer: `ok` or the name of the errno
 */
export function tryWrite(path: string, value: string): string {
  try {
    // Not 'r+': a file without a reader (bind, unbind, drivers_probe) answers EACCES to that, even to root.
    const file = openSync(path, constants.O_WRONLY);
    try {
      writeSync(file, `${value}\n`);
    } finally {
      closeSync(file);
    }
    return 'ok';
  } catch (error) {
    return errnoOf(error) ?? String(error);
  }
}

/** The same; anything but success throws. */
export function write(path: string, value: string): void {
  const answer = tryWrite(path, value);
  if (answer !== 'ok') throw new Error(`writing "${value}" to ${path}: ${answer}`);
}

/** Takes a device to a driver of its own name, as `driver_override` and `drivers_probe` do. */
export function bindTo(device: string, driver: string): void {
  unbind(device);
  write(attribute(device, 'driver_override'), driver);
  write('/sys/bus/pci/drivers_probe', device);
}

/** Takes a device back to the driver that the kernel chooses for it. */
export function giveBack(device: string): void {
  unbind(device);
  write(attribute(device, 'driver_override'), '');
  write('/sys/bus/pci/drivers_probe', device);
}

export function unbind(device: string): void {
  const driver = driverOf(device);
  if (driver !== undefined) write(`/sys/bus/pci/drivers/${driver}/unbind`, device);
}

function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
