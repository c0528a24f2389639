/**
 * Whether a driver's name is that of a vfio driver for PCI devices: vfio-pci and its variants (mlx5_vfio_pci,
 * xe-vfio-pci, …), written with `-` or `_`.
 */
export function isVfioName(driver: string): boolean {
  return /(^|[-_])vfio[-_]pci$/.test(driver);
}
