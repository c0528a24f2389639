import { COMMAND, LIBVIRT, PREFIX } from '../distribution.ts';

/**
 * Where the doctor looks, besides the places of src/pci/sysfs.ts. It reads all of them through the port and
 * writes none.
 */
export const places = {
  acpiTables: '/sys/firmware/acpi/tables',
  cpuInfo: '/proc/cpuinfo',
  kernelStatus: '/proc/stat',
  /** Where distributions say which stable kernel theirs is made of; the second is Ubuntu's. */
  kernelBanners: ['/proc/version', '/proc/version_signature'],
  processes: '/proc',
  iommuClass: '/sys/class/iommu',
  lockdown: '/sys/kernel/security/lockdown',
  secureBoot: '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c',
  mdevParents: '/sys/class/mdev_bus',
  nvmeControllers: '/sys/class/nvme',
  iommufd: '/dev/iommu',
  modules: '/lib/modules',
  modprobe: ['/etc/modprobe.d', '/run/modprobe.d', '/usr/lib/modprobe.d', '/lib/modprobe.d'],
  modulesToLoad: ['/etc/modules-load.d', '/usr/lib/modules-load.d'],
  driverctl: '/etc/driverctl.d',
  nvidiaVersions: ['/sys/module/nvidia/version', '/proc/driver/nvidia/version'],
  powerSupplies: '/sys/class/power_supply',
  moduleParameters: (module: string): string => `/sys/module/${module}/parameters`,
  parameter: (module: string, name: string): string => `/sys/module/${module}/parameters/${name}`,
  process: (pid: number, file: string): string => `/proc/${pid}/${file}`,

  systemd: '/run/systemd/system',
  units: ['/etc/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system'],

  hooks: `${LIBVIRT}/hooks`,
  hook: `${LIBVIRT}/hooks/qemu`,
  dropIns: `${LIBVIRT}/hooks/qemu.d`,
  keptHook: `${LIBVIRT}/hooks/qemu.kept-by-vfio-hook`,
  command: COMMAND,
  /** A package has it, and install.sh does not make it. */
  package: `${PREFIX}/share/vfio-hook/package`,
  maintainer: `${PREFIX}/lib/vfio-hook/maintainer.sh`,
  /** Its time is that of the last claim that was written or removed, so of a run of the hook. */
  claims: '/run/vfio-hook/claims',
  /** Made by install.sh after it has let libvirt reload. */
  reloaded: '/run/vfio-hook/libvirt-reloaded',
  guests: `${LIBVIRT}/qemu`,

  qemuConf: `${LIBVIRT}/qemu.conf`,
  users: '/etc/passwd',
  groups: '/etc/group',
  appArmorProfiles: '/sys/kernel/security/apparmor/profiles',
  appArmorLocal: '/etc/apparmor.d/local',
  selinux: '/sys/fs/selinux',
} as const;
