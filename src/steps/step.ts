import type { PciAddress } from '../pci/address.ts';

/**
 * One change to the host, as data: JSON-serialisable, carried by plans and logs. The record in
 * src/steps/index.ts maps each kind to how it is described, applied and verified.
 */
export type Step =
  | LoadModule
  | SetModuleParameter
  | SetDriverOverride
  | Unbind
  | ResizeBar
  | Bind
  | Probe
  | SetPowerControl
  | SetResetMethods;

export type StepKind = Step['kind'];

/** Loads a kernel module: one that provides a PCI driver which is not registered yet, or a part of VFIO. */
export interface LoadModule {
  readonly kind: 'load-module';
  readonly module: string;
  /** Name of the PCI driver that must be there afterwards; absent for a module without one. */
  readonly driver?: string;
  /**
   * Whether a `blacklist` line of modprobe.d counts. It does for a driver that nobody had: who blacklists vfio-pci
   * means it. It does not for one that the device had before: people blacklist nvidia or amdgpu and load it by hand.
   */
  readonly blacklist: 'obeyed' | 'overruled';
}

/** Writes a parameter of a module that is loaded. */
export interface SetModuleParameter {
  readonly kind: 'set-module-parameter';
  readonly module: string;
  readonly parameter: string;
  /** As the kernel prints it: `Y` or `N`. */
  readonly to: 'Y' | 'N';
}

/** Writes `driver_override`; an absent `to` clears it. */
export interface SetDriverOverride {
  readonly kind: 'set-driver-override';
  readonly device: PciAddress;
  readonly to?: string;
}

/** Takes the device from its driver. */
export interface Unbind {
  readonly kind: 'unbind';
  readonly device: PciAddress;
  readonly driver: string;
}

/** Writes `resourceN_resize` while no driver holds the device. Sizes in bytes. */
export interface ResizeBar {
  readonly kind: 'resize-bar';
  readonly device: PciAddress;
  readonly bar: number;
  readonly from: number;
  readonly to: number;
}

/** Gives the device to a driver. */
export interface Bind {
  readonly kind: 'bind';
  readonly device: PciAddress;
  readonly driver: string;
}

/** Offers a device without a driver to the drivers that are registered; the first that takes it has it. */
export interface Probe {
  readonly kind: 'probe';
  readonly device: PciAddress;
}

/** Writes `power/control`. */
export interface SetPowerControl {
  readonly kind: 'set-power-control';
  readonly device: PciAddress;
  readonly to: 'auto' | 'on';
}

/** Writes `reset_method`; an empty list disables every method. */
export interface SetResetMethods {
  readonly kind: 'set-reset-methods';
  readonly device: PciAddress;
  readonly to: readonly string[];
}

/** The device that a step changes; undefined when it changes none. */
export function stepDevice(step: Step): PciAddress | undefined {
  return 'device' in step ? step.device : undefined;
}
