import type { PciAddress } from './address.ts';
import type { Bar } from './bar.ts';

/** What stands behind the header type byte of configuration space (offset 0x0e, low seven bits). */
export type HeaderType = 'endpoint' | 'bridge' | 'cardbus';

/** One PCI function as the kernel showed it at one moment. */
export interface PciDevice {
  readonly address: PciAddress;
  /** Four hexadecimal digits each, lower case, no 0x. */
  readonly vendor: string;
  readonly device: string;
  readonly subsystemVendor: string;
  readonly subsystemDevice: string;
  /** Two hexadecimal digits. */
  readonly revision: string;
  /** Class, subclass and programming interface: six hexadecimal digits, such as `030000`. */
  readonly class: string;
  readonly headerType: HeaderType;
  /** The kernel's `modalias` line, such as `pci:v00001002d…`. */
  readonly modalias: string;
  /** Number of the device's IOMMU group; absent when it has none. */
  readonly iommuGroup?: number;
  /** Name of the bound driver; absent when driverless. */
  readonly driver?: string;
  /** Kernel module of the bound driver; absent when driverless or built in. */
  readonly driverModule?: string;
  /** The override text as written; absent when the kernel prints `(null)`. */
  readonly driverOverride?: string;
  /** Whether a vfio driver holds the device: it has a `vfio-dev` directory (Linux 6.1 and later) or the bound driver's name says so. Not one with {@link vgpuType}. */
  readonly onVfio: boolean;
  readonly bars: readonly Bar[];
  /** Reset methods in the order in which the kernel tries them; absent when the device cannot be reset. */
  readonly resetMethods?: readonly string[];
  /**
   * Another device is on its bus: then the method `bus` works no more, though it may be in the list, and nothing that is
   * written brings it back there (drivers/pci/pci.c:pci_parent_bus_reset). Looked up only where plans are made.
   */
  readonly sharesBus?: true;
  /** Runtime power management: `auto` lets an idle device sleep. */
  readonly powerControl?: 'auto' | 'on';
  readonly d3coldAllowed?: boolean;
  /** Whether firmware used this display device at boot; only VGA-class devices (0x0300) have it. */
  readonly bootVga?: boolean;
  /** A physical function that offers virtual ones. */
  readonly sriov?: { readonly totalVfs: number; readonly numVfs: number };
  /** A virtual function's physical one. */
  readonly physicalFunction?: PciAddress;
  /** UUIDs of the mediated devices that were made of it; absent: none. */
  readonly mdevs?: readonly string[];
  /** It is not there yet: this is what it will be like, as far as that can be told beforehand. Its group cannot. */
  readonly expected?: true;
  /**
   * NVIDIA's vGPU host driver: whether somebody has the lock that keeps everybody from opening the card, so that it can be
   * taken from the driver. Absent for every other driver.
   */
  readonly unbindLock?: 'free' | 'taken';
  /** NVIDIA's vendor VFIO framework: id of the vGPU type that lives on this virtual function, 0 for none. */
  readonly vgpuType?: number;
}

/** An IOMMU group: the unit that VFIO hands to a guest. Numbers change between boots. */
export interface IommuGroup {
  readonly number: number;
  /** `DMA`, `DMA-FQ`, `identity`, …; absent when the kernel does not say. */
  readonly type?: string;
  readonly members: readonly PciAddress[];
  /** Members that are no PCI devices (platform, ACPI), by their sysfs name. */
  readonly otherMembers: readonly string[];
  /** Whether somebody has /dev/vfio/N open, that is: a guest owns the group. */
  readonly open: boolean;
  /** Who that is, in words, as far as it could be found out: `guest "win10" (qemu-system-x86, pid 1234)`. */
  readonly openBy?: string;
}
