import type { PciAddress } from './address.ts';
import type { IommuGroup, PciDevice } from './device.ts';
import type { KnownDriver } from './known-driver.ts';
import type { VfioAlias } from './modalias.ts';
import type { DeviceUse } from './use.ts';
import type { VfioState } from './vfio-state.ts';

/**
 * What the host looked like at one moment, as far as the IOMMU groups concerned go. Plain data: nothing is
 * read after it is taken.
 */
export interface Snapshot {
  /** Such as `6.12.107+deb13-amd64`. */
  readonly kernelRelease: string;
  readonly groups: readonly IommuGroup[];
  /** Every PCI member of those groups, in order of address. */
  readonly devices: readonly PciDevice[];
  /** Names of the PCI drivers registered with the kernel. */
  readonly drivers: readonly string[];
  /**
   * What the host needs the devices for, in order of device and of {@link useReasons}. Only devices that could be
   * taken from the host have any.
   */
  readonly uses: readonly DeviceUse[];
  /** The vfio drivers that modules.alias offers for these devices, in the file's order. */
  readonly variants: readonly VfioAlias[];
  /** The drivers that were asked for by name, as far as they were looked up. */
  readonly asked: readonly KnownDriver[];
  /** What VFIO needs of the whole host. */
  readonly vfio: VfioState;
  /** Of the devices that were asked, those that answer every read with ones. */
  readonly silent: readonly PciAddress[];
  /** The libvirt that would choose a driver, such as `11.3.0`; looked up only where a variant exists. */
  readonly libvirtVersion?: string;
}

/** The device at an address, or undefined when the snapshot has none. */
export function deviceAt(snapshot: Pick<Snapshot, 'devices'>, address: PciAddress): PciDevice | undefined {
  return snapshot.devices.find((device) => device.address === address);
}

/** The group of a device, or undefined when the snapshot has none. */
export function groupOf(snapshot: Snapshot, device: PciDevice): IommuGroup | undefined {
  return snapshot.groups.find((group) => group.number === device.iommuGroup);
}
