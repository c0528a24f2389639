import type { Hint } from '../hint.ts';
import type { PciAddress } from '../pci/address.ts';
import type { DeviceUse } from '../pci/use.ts';

/** What is decided for one device of the groups concerned, and why. */
export type Verdict = BindVerdict | LeaveVerdict | RefuseVerdict;

/** The device is moved to a vfio driver. */
export interface BindVerdict {
  readonly kind: 'bind';
  readonly device: PciAddress;
  readonly driver: string;
  /** Whether the XML assigns the device itself; otherwise it only shares the group. */
  readonly assigned: boolean;
  readonly reason: string;
  /** What the host uses it for and the configuration allows to take it from; absent when that is nothing. */
  readonly allowed?: readonly DeviceUse[];
  /** What it is used for and what ends by itself when it is taken; absent when that is nothing. */
  readonly yielding?: readonly DeviceUse[];
}

export type LeaveCode =
  /** A bridge: the kernel lets it stay on its own driver */
  | 'bridge'
  /** Already on a vfio driver, with nothing to change */
  | 'on-vfio'
  /** Bound to pci-stub, which keeps host drivers away and lets the group stay viable */
  | 'stub'
  /** Shares the group of a function that goes to a driver other than vfio's, which concerns nobody else */
  | 'not-asked'
  /** A chipset function without a driver: harmless where it is, and never to be touched */
  | 'system'
  /** A managed network function: libvirt saves its MAC address and moves it itself */
  | 'libvirt'
  /** A virtual function of NVIDIA's own VFIO framework: it stays on the vendor's driver */
  | 'vgpu';

/** The device stays as it is. */
export interface LeaveVerdict {
  readonly kind: 'leave';
  readonly device: PciAddress;
  readonly code: LeaveCode;
  readonly assigned: boolean;
  readonly reason: string;
  /** As in {@link BindVerdict}: what libvirt moves is taken from the host, too. */
  readonly allowed?: readonly DeviceUse[];
  readonly yielding?: readonly DeviceUse[];
}

export type RefuseCode =
  /** A bridge was asked for, or a device that no guest can have */
  | 'not-assignable'
  /** A chipset function that the host needs is in the group, with a driver */
  | 'system-device'
  /** A bridge whose driver makes the group unusable */
  | 'bridge-driver'
  /** Somebody else has claimed the device */
  | 'claimed'
  /** Somebody has the group open */
  | 'in-use'
  /** A member of the group is no PCI device */
  | 'other-bus'
  /** A virtual function of NVIDIA's own VFIO framework without a vGPU, or one that libvirt would take from its driver */
  | 'vgpu'
  /** Virtual functions exist below the device */
  | 'virtual-functions'
  /** Mediated devices were made of it, and no guest is known to have them */
  | 'mediated-devices'
  /** The host uses the device, and the configuration does not allow to take it away */
  | 'host-use'
  /** The driver that is asked for is one of the host, only keeps the device from it, or does not exist */
  | 'driver'
  /** The IOMMU does not remap interrupts, so VFIO gives a device to nobody */
  | 'interrupts'
  /** This kernel lacks a module of VFIO's */
  | 'vfio'
  /** The card answers every read with ones */
  | 'no-answer'
  /** The device does not have a reset method that is asked for, or nothing to set of its power */
  | 'setting'
  /** The requested BAR does not exist, cannot be resized or not to that size */
  | 'bar';

/** The device cannot be handed over, and so nothing is. */
export interface RefuseVerdict {
  readonly kind: 'refuse';
  readonly device: PciAddress;
  readonly code: RefuseCode;
  readonly assigned: boolean;
  readonly reason: string;
  readonly hints: readonly Hint[];
  /** What the host uses it for, all of it; only with the code `host-use`. The reason is the first of them. */
  readonly uses?: readonly DeviceUse[];
  /** Further uses, which the configuration allows to take it from. */
  readonly allowed?: readonly DeviceUse[];
  readonly yielding?: readonly DeviceUse[];
}
