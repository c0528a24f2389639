import { must } from './execute.ts';

/** Kernel modules of the lab's own (test/lab/kernel-modules), with what of Debian's each needs. */
const needs = {
  labvgpu: ['mdev', 'vfio_iommu_type1'],
  labnvidia: ['vfio-pci-core', 'vfio_iommu_type1'],
} as const;

export async function insertModule(name: keyof typeof needs): Promise<void> {
  await must('modprobe', ['--all', ...needs[name]]);
  await must('insmod', [`/share/kernel-modules/${name}.ko`]);
}
