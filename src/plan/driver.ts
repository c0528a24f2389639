import { libvirtFacts } from '../pci/libvirt-facts.ts';
import { bestVfioAlias } from '../pci/modalias.ts';
import type { PciDevice } from '../pci/device.ts';
import type { Snapshot } from '../pci/snapshot.ts';

/** The general vfio driver for PCI devices. */
export const VFIO_PCI = 'vfio-pci';

/** What asks for a certain driver, strongest first. */
export interface DriverWishes {
  /** The configuration's `driver:`. */
  readonly configured?: string | undefined;
  /** The XML's `<driver model='…'/>`. */
  readonly model?: string | undefined;
}

/**
 * The driver to bind a device to, by libvirt's own rule so that libvirt does not bind it a second time: what
 * is asked for; else, with a libvirt that chooses by itself, the best `vfio_pci:` alias of modules.alias; else vfio-pci
 * (src/util/virpci.c:virPCIDeviceFindBestVFIOVariant).
 */
export function chooseDriver(device: PciDevice, snapshot: Snapshot, wishes: DriverWishes): string {
  const wished = wishes.configured ?? wishes.model;
  if (wished !== undefined) return registeredName(wished, snapshot);
  const { choosesVariants } = libvirtFacts(snapshot.libvirtVersion);
  const alias = choosesVariants ? bestVfioAlias(device.modalias, snapshot.variants) : undefined;
  return alias ? registeredName(alias.module, snapshot) : VFIO_PCI;
}

/**
 * A driver's name for a module's or driver's name written with `-` or `_`: modprobe takes both, the kernel's
 * driver directory only one. A driver that is not registered yet keeps the name it was asked for, except
 * that module vfio_pci registers vfio-pci.
 */
export function registeredName(name: string, snapshot: Snapshot): string {
  const dashed = name.replaceAll('_', '-');
  const underscored = name.replaceAll('-', '_');
  const registered = [name, underscored, dashed].find((form) => snapshot.drivers.includes(form));
  return registered ?? (dashed === VFIO_PCI ? VFIO_PCI : name);
}
