/** What VFIO needs of the whole host, beside the devices. */
export interface VfioState {
  /** Whether the IOMMU checks the interrupts of devices; `unknown` where that cannot be told. */
  readonly interrupts: 'remapped' | 'not-remapped' | 'unknown';
  /** Whether the parameter allow_unsafe_interrupts lets guests start without that. */
  readonly unsafeInterrupts: boolean;
  /** vfio-pci: registered, a module that can be loaded, or not of this kernel. */
  readonly driver: Provided;
  /** What maps the memory of guests (vfio_iommu_type1, or iommufd in its place). */
  readonly backEnd: Provided;
}

export type Provided = 'there' | 'module' | 'missing';

/** The module that is the usual back end; vfio_pci names it as a soft dependency only, which not every modprobe follows. */
export const BACK_END = 'vfio_iommu_type1';
