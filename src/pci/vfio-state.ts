/** What VFIO needs of the whole host, beside the devices. */
export interface VfioState {
  /** Whether the IOMMU checks the interrupts of devices; `unknown` where that cannot be told. */
  readonly interrupts: 'remapped' | 'not-remapped' | 'unknown';
  /** Whether the parameter {@link UNSAFE_INTERRUPTS} lets guests start without that; undefined while its module is not loaded. */
  readonly unsafeInterrupts: boolean | undefined;
  /** vfio-pci: registered, a module that can be loaded, or not of this kernel. */
  readonly driver: Provided;
  /** What maps the memory of guests (vfio_iommu_type1, or iommufd in its place). */
  readonly backEnd: Provided;
}

export type Provided = 'there' | 'module' | 'missing';

/** The module that is the usual back end; vfio_pci names it as a soft dependency only, which not every modprobe follows. */
export const BACK_END = 'vfio_iommu_type1';

/** The parameter of {@link BACK_END} that it goes by when a guest is given a group (vfio_iommu_type1_attach_group), not later. */
export const UNSAFE_INTERRUPTS = 'allow_unsafe_interrupts';
