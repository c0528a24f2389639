import type { PciAddress } from './address.ts';
import type { HugepagePool } from './hugepages.ts';

/**
 * Every location under /sys, /proc and /dev that this program reads or writes, as small named functions.
 * No other file holds such a path.
 */
export const sysfs = {
  devices: '/sys/bus/pci/devices',
  drivers: '/sys/bus/pci/drivers',
  groups: '/sys/kernel/iommu_groups',
  modules: '/sys/module',
  moduleDirectory: '/lib/modules',
  interrupts: '/proc/interrupts',
  iommufd: '/dev/iommu',
  driversProbe: '/sys/bus/pci/drivers_probe',
  vfioContainer: '/dev/vfio/vfio',
  /** Where distributions put libvirt.so.0. */
  libraries: ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib'],
  bootId: '/proc/sys/kernel/random/boot_id',
  kernelRelease: '/proc/sys/kernel/osrelease',
  commandLine: '/proc/cmdline',
  blocks: '/sys/class/block',
  nvmeSubsystems: '/sys/class/nvme-subsystem',
  btrfs: '/sys/fs/btrfs',
  bluetooth: '/sys/class/bluetooth',
  inputDevices: '/proc/bus/input/devices',
  swaps: '/proc/swaps',
  /** What this process sees mounted, and what the host's first process does. */
  mountTables: ['/proc/self/mountinfo', '/proc/1/mountinfo'],
  uptime: '/proc/uptime',
  platformDevices: '/sys/bus/platform/devices',
  platformDevice: (name: string): string => `/sys/bus/platform/devices/${name}`,
  platformBinding: (driver: string, way: 'bind' | 'unbind'): string =>
    `/sys/bus/platform/drivers/${driver}/${way}`,
  class: (name: string): string => `/sys/class/${name}`,
  device: (address: PciAddress): string => `/sys/bus/pci/devices/${address}`,
  attribute: (address: PciAddress, name: string): string => `/sys/bus/pci/devices/${address}/${name}`,
  driverOverride: (address: PciAddress): string => `/sys/bus/pci/devices/${address}/driver_override`,
  resize: (address: PciAddress, bar: number): string =>
    `/sys/bus/pci/devices/${address}/resource${bar}_resize`,
  driver: (name: string): string => `/sys/bus/pci/drivers/${name}`,
  bind: (driver: string): string => `/sys/bus/pci/drivers/${driver}/bind`,
  unbind: (driver: string): string => `/sys/bus/pci/drivers/${driver}/unbind`,
  groupDevices: (group: number): string => `/sys/kernel/iommu_groups/${group}/devices`,
  groupType: (group: number): string => `/sys/kernel/iommu_groups/${group}/type`,
  vfioGroup: (group: number): string => `/dev/vfio/${group}`,
  block: (name: string): string => `/sys/class/block/${name}`,
  blockAttribute: (name: string, attribute: string): string => `/sys/class/block/${name}/${attribute}`,
  /** A device's node by its name below /dev; sysfs writes `!` for the slash in a name such as `cciss/c0d0`. */
  node: (name: string): string => `/dev/${name.replaceAll('!', '/')}`,
  /** What udev knows of the block device `major:minor`. */
  udevBlock: (number: string): string => `/run/udev/data/b${number}`,
  builtinModules: (release: string): string => `/lib/modules/${release}/modules.builtin.modinfo`,
  networkInterfaces: '/sys/class/net',
  networkInterface: (name: string): string => `/sys/class/net/${name}`,
  ipv4Routes: '/proc/net/route',
  ipv6Routes: '/proc/net/ipv6_route',
  /** Every table of IPv4, without the interfaces. */
  fibTrie: '/proc/net/fib_trie',
  tcpConnections: ['/proc/net/tcp', '/proc/net/tcp6'],
  consoles: '/sys/class/vtconsole',
  console: (name: string, file: 'name' | 'bind'): string => `/sys/class/vtconsole/${name}/${file}`,
  frameBuffers: '/sys/class/graphics',
  /** The control groups of the system's services. */
  systemUnits: '/sys/fs/cgroup/system.slice',
  /** What the driver nvidia says of a card (kernel-open/nvidia/nv-procfs.c). */
  nvidiaCards: '/proc/driver/nvidia/gpus',
  nvidiaCard: (address: PciAddress): string => `/proc/driver/nvidia/gpus/${address}/information`,
  /** The GPU instances of a card in MIG mode, by the number of the card's own node. */
  nvidiaInstances: (minor: string): string => `/proc/driver/nvidia/capabilities/gpu${minor}/mig`,
  /** `1` written and read back: nobody has the card open, and nobody can until it is `0`. vGPU host drivers only. */
  unbindLock: (address: PciAddress): string => `/proc/driver/nvidia/gpus/${address}/unbindLock`,
  /** NVIDIA's own VFIO framework: what a virtual function is for (driver branch 550 and later). */
  vgpu: (address: PciAddress, name: 'current_vgpu_type' | 'creatable_vgpu_types' | 'vgpu_params'): string =>
    `/sys/bus/pci/devices/${address}/nvidia/${name}`,
  /** A VFIO device's own node, by its name in `vfio-dev`. */
  vfioDevice: (name: string): string => `/dev/vfio/devices/${name}`,
  /** One file of a pool of huge pages, such as `nr_hugepages`. */
  hugepages: ({ sizeKb, node }: HugepagePool, file: string): string =>
    `${node === undefined ? '/sys/kernel/mm' : nodeDirectory(node)}/hugepages/hugepages-${sizeKb}kB/${file}`,
  /** NUMA nodes. */
  nodes: '/sys/devices/system/node',
  /** How much memory there is, on one node or in all. */
  memory: (node?: number): string =>
    node === undefined ? '/proc/meminfo' : `${nodeDirectory(node)}/meminfo`,
  /** CPUs as a list: those that are there, and those that are online. */
  cpus: (which: 'present' | 'online'): string => `/sys/devices/system/cpu/${which}`,
  /** Which controllers there are in the one hierarchy of control groups; only where it is mounted here (cgroup v2). */
  controllers: '/sys/fs/cgroup/cgroup.controllers',
  /** The CPUs that control groups can have at all. */
  rootCpus: '/sys/fs/cgroup/cpuset.cpus.effective',
  /** Interrupts by their numbers, and where each may go (Documentation/core-api/irq/irq-affinity.rst). */
  irqs: '/proc/irq',
  irqAffinity: (irq: string): string => `/proc/irq/${irq}/smp_affinity_list`,
  /** Where those may go that come, as a mask. */
  defaultIrqAffinity: '/proc/irq/default_smp_affinity',
  /** Who handles it (Documentation/ABI/testing/sysfs-kernel-irq). */
  irqActions: (irq: string): string => `/sys/kernel/irq/${irq}/actions`,
  /** How soon CPUs wake, for as long as it is open (kernel/power/qos.c). */
  cpuLatency: '/dev/cpu_dma_latency',
  /** How fast CPUs run (Documentation/admin-guide/pm/cpufreq.rst). */
  frequencyPolicies: '/sys/devices/system/cpu/cpufreq',
  frequencyPolicy: (policy: string, file: PolicyFile): string =>
    `/sys/devices/system/cpu/cpufreq/${policy}/${file}`,
  /** Free blocks of memory by their size (mm/vmstat.c:frag_show). */
  freeBlocks: '/proc/buddyinfo',
  compactMemory: (node?: number): string =>
    node === undefined ? '/proc/sys/vm/compact_memory' : `${nodeDirectory(node)}/compact`,
  moduleParameter: (module: string, name: string): string => `/sys/module/${module}/parameters/${name}`,
  module: (name: string): string => `/sys/module/${name}`,
  moduleHolders: (module: string): string => `/sys/module/${module}/holders`,
  moduleDrivers: (module: string): string => `/sys/module/${module}/drivers`,
  moduleFile: (module: string, name: 'refcnt' | 'taint' | 'initstate' | 'version'): string =>
    `/sys/module/${module}/${name}`,
  /** Parents of mediated devices, and what was made of them. */
  mdevParents: '/sys/class/mdev_bus',
  mdevParent: (name: string): string => `/sys/class/mdev_bus/${name}`,
  mdevTypes: (parent: string): string => `/sys/class/mdev_bus/${parent}/mdev_supported_types`,
  mdevType: (parent: string, type: string, file: string): string =>
    `/sys/class/mdev_bus/${parent}/mdev_supported_types/${type}/${file}`,
  mdevs: '/sys/bus/mdev/devices',
  mdev: (uuid: string): string => `/sys/bus/mdev/devices/${uuid}`,
  modulesAlias: (release: string): string => `/lib/modules/${release}/modules.alias`,
  moduleDependencies: (release: string): string => `/lib/modules/${release}/modules.dep`,
} as const;

/** Files of a frequency policy; the last one only where its driver has an energy-performance preference. */
export type PolicyFile =
  | 'affected_cpus'
  | 'scaling_driver'
  | 'scaling_governor'
  | 'scaling_available_governors'
  | 'energy_performance_preference';

function nodeDirectory(node: number): string {
  return `/sys/devices/system/node/node${node}`;
}
