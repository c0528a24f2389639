import type { DriverSpec, ModuleSpec } from './spec.ts';

/** What the simulator knows of a driver besides the devices that it takes. */
export type KnownDriver = Omit<DriverSpec, 'name' | 'ids'>;

const plain: KnownDriver = {
  dma: 'native',
  vfio: false,
  removeWaits: 'never',
  sriov: false,
  leavesVfs: false,
  console: false,
};
const sound: KnownDriver = { ...plain, removeWaits: 'nodes' };
const display: KnownDriver = { ...plain, console: true };
const physicalFunction: KnownDriver = { ...plain, sriov: true };
const vfio: KnownDriver = { ...plain, dma: 'managed', vfio: true, removeWaits: 'guests' };

const drivers: Readonly<Record<string, KnownDriver>> = {
  pcieport: { ...plain, dma: 'managed' },
  // Built in on Debian and Ubuntu.
  'pci-stub': { ...plain, dma: 'managed' },
  'vfio-pci': { ...vfio, module: 'vfio_pci' },
  amdgpu: { ...display, module: 'amdgpu' },
  nouveau: { ...display, module: 'nouveau' },
  i915: { ...display, module: 'i915' },
  xe: { ...display, module: 'xe', sriov: true },
  // Its module makes virtual functions as it is loaded; sriov_numvfs it does not know.
  gim: { ...plain, module: 'gim' },
  ast: { ...display, module: 'ast' },
  mgag200: { ...display, module: 'mgag200' },
  'bochs-drm': { ...display, module: 'bochs' },
  // Its remove() loops until the usage count is zero; it has no callback for sriov_numvfs (kernel-open/nvidia/nv-pci.c).
  nvidia: { ...plain, module: 'nvidia', removeWaits: 'nodes' },
  snd_hda_intel: { ...sound, module: 'snd_hda_intel' },
  snd_intel8x0: { ...sound, module: 'snd_intel8x0' },
  'nvidia-gpu': { ...plain, module: 'i2c_nvidia_gpu' },
  xhci_hcd: { ...plain, module: 'xhci_pci' },
  igb: { ...physicalFunction, module: 'igb' },
  ixgbe: { ...physicalFunction, module: 'ixgbe' },
  i40e: { ...physicalFunction, module: 'i40e' },
  ice: { ...physicalFunction, module: 'ice' },
  mlx5_core: { ...physicalFunction, module: 'mlx5_core' },
  i801_smbus: { ...plain, module: 'i2c_i801' },
  'virtio-pci': { ...plain, module: 'virtio_pci' },
  nvme: { ...plain, module: 'nvme', sriov: true },
};

/** Built into the kernel or always there. */
const builtin = ['pcieport', 'pci-stub'];

/** Names of drivers that every machine has. */
export const driversOfEveryMachine = ['pcieport', 'pci-stub', 'vfio-pci'] as const;

/** What is known of a driver; for an unknown name an ordinary one with a module of the same name. vfio variants are known by their name. */
export function knownDriver(name: string): KnownDriver {
  const known = Object.hasOwn(drivers, name) ? drivers[name] : undefined;
  if (known) return known;
  const module = name.replaceAll('-', '_');
  return module.endsWith('_vfio_pci') ? { ...vfio, module } : { ...plain, module };
}

/** Whether a driver is part of the kernel itself. */
export function isBuiltin(name: string): boolean {
  return builtin.includes(name);
}

/** VFIO's own modules. vfio_pci asks for the type 1 back end by a soft dependency, which modprobe honours. */
export const vfioModules: readonly Omit<ModuleSpec, 'loaded'>[] = [
  vfioModule('vfio', []),
  vfioModule('irqbypass', []),
  { ...vfioModule('vfio_iommu_type1', ['vfio']), parameters: { allow_unsafe_interrupts: 'N' } },
  vfioModule('vfio_pci_core', ['vfio', 'irqbypass']),
  {
    ...vfioModule('vfio_pci', ['vfio_pci_core', 'vfio']),
    softDepends: ['vfio_iommu_type1'],
    parameters: { disable_idle_d3: 'N', enable_sriov: 'N', nointxmask: 'N' },
    aliases: ['vfio_pci:v*d*sv*sd*bc*sc*i*'],
  },
];

function vfioModule(name: string, depends: readonly string[]): Omit<ModuleSpec, 'loaded'> {
  return { name, depends, softDepends: [], builtin: false, parameters: {}, aliases: [] };
}
