/** The general VFIO driver, and its module. */
export const VFIO_DRIVER = 'vfio-pci';
export const VFIO_MODULE = 'vfio_pci';

/** The parts of VFIO that are modules of their own; vfio_virqfd before Linux 6.2. What drives devices comes on top. */
const PARTS = ['vfio_pci', 'vfio_pci_core', 'vfio_iommu_type1', 'vfio_virqfd', 'vfio'] as const;

/** Whether a module is a part of VFIO that only guests need: its core, and its drivers of PCI devices. */
export function isVfioModule(name: string): boolean {
  return PARTS.some((part) => part === name) || name.endsWith('_vfio_pci');
}

/**
 * The modules in an order in which each can be unloaded: none before all that use it. `holders` are those of
 * /sys/module/NAME/holders.
 */
export function unloadOrder(
  modules: readonly string[],
  holders: (module: string) => readonly string[],
): readonly string[] {
  const order: string[] = [];
  const visit = (module: string): void => {
    if (order.includes(module)) return;
    for (const user of holders(module)) if (modules.includes(user)) visit(user);
    if (!order.includes(module)) order.push(module);
  };
  for (const module of modules) visit(module);
  return order;
}
