import { parsePciAddress, type PciAddress } from './address.ts';

/** Where a device is plugged in. */
export interface PciLocation {
  readonly address: PciAddress;
  /** The bridge right above; absent on a root bus. */
  readonly parent?: PciAddress;
  /** Domain and number of the root bus: `0000:00`. */
  readonly rootBus: string;
  /** The NUMA node that is nearest; absent where the kernel does not know (one node, or firmware that does not say). */
  readonly numaNode?: number;
  /** The PCI Express link to the bridge above; absent for conventional PCI and for what is part of the root complex. */
  readonly link?: PciLink;
}

/** A PCI Express link as it was trained, and what the device itself could do. An idle card often lowers its speed. */
export interface PciLink {
  /** GT/s for each lane; absent when the kernel says `Unknown`. */
  readonly speed?: number;
  readonly width: number;
  readonly maxSpeed?: number;
  readonly maxWidth?: number;
}

/**
 * The place that a device's link in /sys/bus/pci/devices leads to, such as
 * `../../../devices/pci0000:00/0000:00:01.0/0000:01:00.0`. Undefined when the target is no such path.
 * A device of a domain that another device makes (Intel VMD) is behind that device.
 */
export function locationOf(target: string): Pick<PciLocation, 'address' | 'parent' | 'rootBus'> | undefined {
  const steps = target.split('/');
  const address = parsePciAddress(steps[steps.length - 1] ?? '');
  const rootBus = steps.flatMap((step) => /^pci([0-9a-f]{4,}:[0-9a-f]{2})$/.exec(step)?.[1] ?? []).pop();
  if (address === undefined || rootBus === undefined) return undefined;
  const parent = steps
    .slice(0, -1)
    .flatMap((step) => parsePciAddress(step) ?? [])
    .pop();
  return { address, rootBus, ...(parent !== undefined && { parent }) };
}

/**
 * Reads the four link attributes (drivers/pci/pci-sysfs.c): `16.0 GT/s PCIe`, `Unknown`, and widths, of which 0
 * is no link and 255 an unknown one (include/linux/pci.h, PCIE_LNK_WIDTH_UNKNOWN).
 */
export function parseLink(
  texts: Readonly<Record<'speed' | 'width' | 'maxSpeed' | 'maxWidth', string | undefined>>,
): PciLink | undefined {
  const width = lanes(texts.width);
  if (width === undefined) return undefined;
  const speed = gigatransfers(texts.speed);
  const maxSpeed = gigatransfers(texts.maxSpeed);
  const maxWidth = lanes(texts.maxWidth);
  return {
    width,
    ...(speed !== undefined && { speed }),
    ...(maxSpeed !== undefined && { maxSpeed }),
    ...(maxWidth !== undefined && { maxWidth }),
  };
}

function lanes(text: string | undefined): number | undefined {
  const width = Number(text?.trim() ?? 0);
  return Number.isInteger(width) && width > 0 && width < 255 ? width : undefined;
}

function gigatransfers(text: string | undefined): number | undefined {
  const speed = /^(\d+(?:\.\d+)?) GT\/s/.exec(text?.trim() ?? '')?.[1];
  return speed === undefined ? undefined : Number(speed);
}
