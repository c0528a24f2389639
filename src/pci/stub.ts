/** Drivers that keep a device from every other driver and do nothing with it. */
const STUBS: readonly string[] = ['pci-stub', 'pciback'];

/** Whether a driver leaves an IOMMU group viable without being a vfio driver. */
export function isStub(driver: string | undefined): boolean {
  return driver !== undefined && STUBS.includes(driver);
}
