import type { SystemdUnit } from '../src/host/host.ts';

/**
 * A machine as it is right after it booted, as plain data: what a description in examples/hosts/ says once
 * sizes are numbers and defaults are filled in. `build` makes a running machine of it, and makes it again at
 * every reboot; a rescan of the bus finds a removed device by its spec.
 */
export interface MachineSpec {
  readonly name: string;
  readonly kernel: KernelVersion;
  /** Text of /proc/cmdline without its newline. */
  readonly commandLine: string;
  /** False: no IOMMU, or switched off. Then there are no groups and vfio-pci refuses every device. */
  readonly iommu: boolean;
  /** False: the IOMMU does not check the interrupts of devices; absent: nothing tells. */
  readonly interruptRemapping?: boolean;
  /** What a failed BAR resize leaves behind; absent: what the kernel version does. */
  readonly resizeRollback?: ResizeRollback;
  /** Firmware forbids to move what it has set up (_DSM 5): a resize is answered with errno 524. */
  readonly firmwareKeepsBars: boolean;
  /** How numbers are given to new IOMMU groups: the lowest free one (as the kernel does) or one never used before. */
  readonly groupNumbers: 'lowest' | 'next';
  /** Address space for 64-bit prefetchable memory below the host bridge. */
  readonly window: AddressRange;
  readonly console: ConsoleSpec;
  /** Absent: nothing is known of the memory, and there are no pools of huge pages. */
  readonly memory?: MemorySpec;
  /** Absent: nothing is known of the CPUs. */
  readonly cpus?: CpusSpec;
  /** Absent: the kernel does not set the frequency of CPUs, as in many virtual machines. */
  readonly cpufreq?: CpufreqSpec;
  readonly drivers: readonly DriverSpec[];
  readonly modules: readonly ModuleSpec[];
  /** Programs that do not know the options which they are given, and what they say. */
  readonly unfitPrograms?: Readonly<Record<string, string>>;
  /** Modules that a `blacklist` line of modprobe.d names. */
  readonly blacklist?: readonly string[];
  readonly devices: readonly DeviceSpec[];
  readonly mdevTypes: readonly MdevTypeSpec[];
  readonly volumes: readonly VolumeSpec[];
  /** Keyboards that hang on no PCI device, with their paths below /sys/devices. */
  readonly keyboards: readonly KeyboardSpec[];
  /** What runs since the machine booted, besides what a test starts. */
  readonly processes: readonly ProcessSpec[];
  /** Units of systemd besides those that processes are of. */
  readonly units: readonly UnitSpec[];
  /** Sessions of logind after boot. */
  readonly logins?: readonly LoginSpec[];
  /** Further text files by absolute path, such as /proc/swaps. */
  readonly files: Readonly<Record<string, string>>;
  /** What ip(8) prints of default routes in all tables; absent: there is no such program. */
  readonly wideRoutes?: string;
  /** Facts about files by their real path; whatever is left out is as usual. */
  readonly fileFacts?: Readonly<Record<string, FileFacts>>;
}

/** What a file is besides its text: absent facts are root's, 0644 or 0755, as old as the machine, no label. */
export interface FileFacts {
  readonly uid?: number;
  readonly gid?: number;
  readonly mode?: number;
  /** Milliseconds since 1970. */
  readonly changedMs?: number;
  /** SELinux label, such as `system_u:object_r:bin_t:s0`. */
  readonly label?: string;
}

/** GT/s and lanes of PCI Express links, up to revision 6.0 of its base specification. */
export const linkSpeeds = [2.5, 5, 8, 16, 32, 64] as const;
export const linkWidths = [1, 2, 4, 8, 12, 16, 32] as const;

/** Kernels whose behaviour the simulator knows, oldest first. */
export const kernelVersions = ['5.15', '6.1', '6.12', '7.2'] as const;

export type KernelVersion = (typeof kernelVersions)[number];

/**
 * `full`: all BARs as before. `weak`: the BAR itself gets its old size, the others of the same type that were
 * released with it stay without an address. `lost`: none of them gets one.
 */
export type ResizeRollback = 'full' | 'weak' | 'lost';

/** First address and number of bytes. */
export interface AddressRange {
  readonly start: number;
  readonly size: number;
}

/** Memory and pools of huge pages. Sizes in kB, as the kernel has them. */
export interface MemorySpec {
  /** By their numbers, from 0 on. */
  readonly nodes: readonly NodeSpec[];
  /** Sizes of huge pages; the first one is the default. */
  readonly sizesKb: readonly number[];
  /** Whether the kernel can be told to compact the memory (CONFIG_COMPACTION). */
  readonly compacts: boolean;
}

export interface NodeSpec {
  readonly totalKb: number;
  /** What the host can spare, by huge pages that there are already not counted. */
  readonly availableKb: number;
  /** How much of that is in unbroken blocks. */
  readonly wholeKb: number;
  /** How much of the rest stays broken however it is compacted. */
  readonly pinnedKb: number;
  /** Huge pages after boot, by their size. */
  readonly pages: Readonly<Record<number, number>>;
}

/**
 * What the boot messages appear on: the VGA text console, a frame buffer of the firmware (named as its
 * platform device, such as `simple-framebuffer.0`), one of a native driver, or nothing. What was started by UEFI has a
 * console that stays, and no VGA text before.
 */
export type ConsoleSpec =
  | { readonly kind: 'vga' | 'native' | 'native-uefi' | 'none' }
  | { readonly kind: 'firmware'; readonly platformDevice: string };

export interface DriverSpec {
  /** Name below /sys/bus/pci/drivers. */
  readonly name: string;
  /** Kernel module that registers it; absent when it is built in. */
  readonly module?: string;
  /** `managed`: the driver sets driver_managed_dma and may stay in a group that a guest owns (pcieport, pci-stub, vfio drivers). */
  readonly dma: 'native' | 'managed';
  readonly vfio: boolean;
  /** What its remove() waits for: nothing, guests that have the device open, or open device nodes. */
  readonly removeWaits: 'never' | 'guests' | 'nodes';
  /** Whether it implements sriov_configure. */
  readonly sriov: boolean;
  /** Whether its remove() leaves virtual functions behind. */
  readonly leavesVfs: boolean;
  /** Whether it brings a frame buffer console. */
  readonly console: boolean;
  /** Its id table: `vvvv:dddd`, lower case. */
  readonly ids: readonly string[];
}

export interface ModuleSpec {
  /** With underscores, as below /sys/module. */
  readonly name: string;
  readonly depends: readonly string[];
  /** Modules that modprobe loads along with it, which it does not hold. */
  readonly softDepends: readonly string[];
  readonly builtin: boolean;
  readonly loaded: boolean;
  readonly parameters: Readonly<Record<string, string>>;
  /** What MODULE_VERSION says; absent: nothing. */
  readonly version?: string;
  /** Lines for modules.alias, without the leading `alias`. */
  readonly aliases: readonly string[];
}

export interface DeviceSpec {
  /** Canonical, `dddd:bb:ss.f`. */
  readonly address: string;
  readonly name?: string;
  /** Four hexadecimal digits each. */
  readonly vendor: string;
  readonly device: string;
  readonly subsystemVendor: string;
  readonly subsystemDevice: string;
  /** Two hexadecimal digits. */
  readonly revision: string;
  /** Six hexadecimal digits. */
  readonly class: string;
  /** Address of the bridge that the device is behind; absent on a root bus. */
  readonly behind?: string;
  /** Which devices share a group: those with the same key. It is also the group's number after boot. */
  readonly group?: number;
  readonly numaNode?: number;
  readonly link?: LinkSpec;
  /** The driver that holds the device after boot. */
  readonly driver?: string;
  readonly driverOverride?: string;
  readonly bars: readonly BarSpec[];
  /** Reset methods in the kernel's order; empty: the device cannot be reset. */
  readonly resetMethods: readonly string[];
  readonly powerControl: 'auto' | 'on';
  readonly d3coldAllowed: boolean;
  readonly bootVga?: boolean;
  readonly sriov?: SriovSpec;
  /** Physical function, for a virtual one. */
  readonly physicalFunction?: string;
  /** NVIDIA's vendor framework: current_vgpu_type, 0 for none. */
  readonly vgpuType?: number;
  /** Device nodes that exist while the host driver holds the device. */
  readonly nodes: readonly string[];
  /** Disks among the nodes that the host has claimed: they cannot be opened exclusively (mounted, swap, a member of a volume). */
  readonly claimedNodes: readonly string[];
  /**
   * Text files below the device's directory while the host driver holds it, such as `net/eth0/operstate`; a
   * path that ends in `/` is an empty directory, a text `-> /path` makes a link, `! EINVAL` an attribute whose
   * read fails with that errno.
   */
  readonly entries: Readonly<Record<string, string>>;
  /** Keyboards that are there while the host driver holds the device, with their paths below its directory. */
  readonly keyboards?: readonly KeyboardSpec[];
}

/** A block device that belongs to no PCI device: a mapping, an array, a namespace that several controllers reach. */
export interface VolumeSpec {
  /** As the kernel names it, such as dm-0. */
  readonly name: string;
  /** Its directory below /sys/devices/virtual. */
  readonly directory: string;
  /** Text files below /sys/devices/virtual, written as those of a device; a `dev` makes a block device. */
  readonly entries: Readonly<Record<string, string>>;
  /** Device nodes, and links to them: `/dev/mapper/root -> /dev/dm-0`. */
  readonly nodes: readonly string[];
  /** Those of the nodes that are claimed. */
  readonly claimed: readonly string[];
  /** Directories of the NVMe controllers that reach it, from the PCI address on; it goes with the last of them. */
  readonly controllers?: readonly string[];
}

export interface KeyboardSpec {
  readonly name: string;
  readonly path: string;
  /** BUS_* number of the kind of connection, four hexadecimal digits (include/uapi/linux/input.h). */
  readonly bus: string;
}

/** A PCI Express link: GT/s for each lane, and lanes; as it is, and what the device could do. */
export interface LinkSpec {
  readonly speed: number;
  readonly width: number;
  readonly maxSpeed: number;
  readonly maxWidth: number;
}

export interface BarSpec {
  readonly index: number;
  /** Bytes. */
  readonly size: number;
  readonly kind: 'io' | 'mem32' | 'mem64' | 'pref64';
  /** Sizes of the Resizable BAR capability in bytes; empty: it has none. */
  readonly sizes: readonly number[];
}

export interface SriovSpec {
  readonly totalVfs: number;
  /** VFs that exist after boot. */
  readonly numVfs: number;
  /** Routing id of the first VF relative to the PF's, and from one VF to the next (SR-IOV capability). */
  readonly offset: number;
  readonly stride: number;
  readonly vfDevice: string;
  readonly vfBars: readonly BarSpec[];
  /** current_vgpu_type of fresh VFs; absent when it is no such card. */
  readonly vgpuType?: number;
  /** Absent: its driver deals out nothing. */
  readonly profile?: ProfileSpec;
  /** The network interface of the physical function; absent: it is no network card. */
  readonly net?: SriovNetSpec;
  /** What the vGPUs of such a card can be; absent: anything. */
  readonly vgpu?: VgpuSpec;
}

/** The vGPU types of a card. Sizes in bytes. */
export interface VgpuSpec {
  /** What all vGPUs of the card have together. */
  readonly memory: number;
  /** Whether types of different sizes go together (heterogeneous mode). */
  readonly mixed: boolean;
  readonly types: readonly VgpuTypeSpec[];
}

export interface VgpuTypeSpec {
  readonly id: number;
  readonly name: string;
  readonly memory: number;
}

/** How the driver of a graphics card deals out shares to functions. */
export interface ProfileSpec {
  readonly interface: 'xe' | 'prelim';
  /** Its DRM card, for `prelim`. */
  readonly card?: string;
  /** How many GTs it has, for `prelim`. */
  readonly gts?: number;
  /** Bytes of memory of its own that it has for functions, for `xe`. */
  readonly vram?: number;
}

/** A network card that keeps addresses, tags and limits for its virtual functions (legacy mode). */
export interface SriovNetSpec {
  readonly interface: string;
  readonly up: boolean;
  /** What its driver has no function for, or will not take. */
  readonly refuses: readonly VfSetting[];
}

/** What `ip link set dev CARD vf N` may set; `no-mac` is the address of zeros. */
export const vfSettings = [
  'mac',
  'no-mac',
  'vlan',
  'qos',
  'spoofchk',
  'trust',
  'state',
  'max_tx_rate',
] as const;

export type VfSetting = (typeof vfSettings)[number];

/** The CPUs of a machine, from 0 on. */
export interface CpusSpec {
  readonly count: number;
  /** Those that are offline. */
  readonly offline: readonly number[];
  /** Whether there is the one hierarchy of control groups, or the old ones. */
  readonly hierarchy: 'v1' | 'v2';
  readonly irqs: readonly IrqSpec[];
}

/** An interrupt. */
export interface IrqSpec {
  readonly number: number;
  /** Who handles it; empty: nobody. */
  readonly name: string;
  /** Where it may go after boot, as a list; absent: everywhere. */
  readonly cpus?: string;
  /** The kernel alone moves it. */
  readonly managed: boolean;
  /** The device whose it is, while a driver of the host has that. */
  readonly device?: string;
}

/** How the kernel sets the frequency of CPUs, the same for all. */
export interface CpufreqSpec {
  /** Name of the scaling driver: `amd-pstate-epp`, `intel_pstate`, `acpi-cpufreq`. */
  readonly driver: string;
  readonly policies: number;
  /** CPUs of each policy. */
  readonly cpus: number;
  /** Those that it offers. */
  readonly governors: readonly string[];
  /** That of a machine that has just booted. */
  readonly governor: string;
  /** Its energy-performance preference; absent: the driver has none. */
  readonly epp?: string;
}

/** A unit of systemd. */
export interface UnitSpec {
  readonly name: string;
  readonly user?: number;
  readonly active: 'active' | 'inactive' | 'failed';
  /** How often it may be started before systemd wants to be told that this is on purpose; absent: as often as one likes. */
  readonly startLimit?: number;
  /** Milliseconds that it takes to stop; absent: none. */
  readonly stopMs?: number;
  /** What it is started after, if that is being started or stopped just then. */
  readonly after?: string;
  /** It is being started, and that waits for whoever runs this program. */
  readonly queued?: true;
}

/** A session of a user, as logind knows it. */
export interface LoginSpec {
  readonly id: string;
  readonly user: string;
  readonly uid: number;
  /** The service of PAM through which it came: `gdm-password`, `login`, `sshd`. */
  readonly service: string;
  readonly type: 'x11' | 'wayland' | 'tty' | 'unspecified';
  readonly class: 'user' | 'greeter';
  readonly seat?: string;
  /** The unit that ends it when it stops. */
  readonly manager?: string;
}

/** A program of the host. */
export interface ProcessSpec {
  readonly name: string;
  readonly unit?: SystemdUnit;
  /** The file that it runs. */
  readonly program?: string;
  /** It is stopped. */
  readonly halted?: boolean;
  /** Milliseconds after which it closes the nodes of a device that is disconnected from them; absent: it does not. */
  readonly letsGoMs?: number;
  /** Milliseconds after the end of its session until it has ended as well; absent: none. */
  readonly endsMs?: number;
  /** Device nodes that it has open. */
  readonly nodes: readonly string[];
  /** Its established TCP connections. */
  readonly sessions: readonly TcpSession[];
}

/** Both ends as `192.168.1.5:22` or `[2001:db8::5]:22`. */
export interface TcpSession {
  readonly local: string;
  readonly peer: string;
}

export interface MdevTypeSpec {
  /** Directory below /sys/class/mdev_bus; for a PCI device its address. */
  readonly parent: string;
  readonly type: string;
  readonly name: string;
  readonly instances: number;
  readonly description?: string;
  /** Absent: vfio-pci. */
  readonly deviceApi?: string;
  /** How much each takes of what its parent, or its card, has in all. */
  readonly share?: { readonly takes: number; readonly of: number };
  /** The card of whose virtual functions the parent is one: all devices of it are of one type, one for each function. */
  readonly card?: string;
  /** Module without which there are none, besides that of the parent's driver. */
  readonly module?: string;
  /** A guest can open only one of its parent's. */
  readonly onePerGuest?: boolean;
  /** Files of a new device that can be written, by their paths below it; `! EINVAL`: a write is answered so. */
  readonly values?: Readonly<Record<string, string>>;
}
