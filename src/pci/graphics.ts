import type { PciAddress } from './address.ts';

/** A graphics card, as far as it decides whether its driver makes mediated devices. */
export interface GraphicsCard {
  readonly address: PciAddress;
  readonly vendor: string;
  readonly device: string;
  /** Empty: none. */
  readonly driver: string;
  /** Virtual functions that it could have, and that it has. */
  readonly totalVfs: number;
  readonly numVfs: number;
  /** It is a virtual function itself. */
  readonly isVirtual: boolean;
  /** NVIDIA's own framework of newer drivers is on it, or on one of its functions. */
  readonly hasVendorFramework: boolean;
}

/** What the kernel says of GVT-g, and of the driver nvidia. */
export interface GraphicsHost {
  /** The module that hands slices of i915 to guests. */
  readonly kvmgt: 'loaded' | 'loadable' | 'absent';
  /** i915's parameters, as they are printed; empty: there is none. */
  readonly enableGvt: string;
  readonly enableGuc: string;
  /** The parameter of the community's merged driver that turns vGPU off. */
  readonly vgpuKvm: string;
}
