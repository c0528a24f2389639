import type { SystemdUnit } from '../src/host/host.ts';
import type { FaultRule } from './faults.ts';
import type { Operation } from './operation.ts';
import type { DeviceSpec, DriverSpec, LoginSpec, MachineSpec, TcpSession } from './spec.ts';
import type { Work } from './work.ts';

/**
 * A running machine: one object that survives JSON, changed in place by the functions of this folder.
 * Nothing else is remembered anywhere, so that several processes can share it through a file.
 */
export interface MachineState {
  readonly format: 1;
  spec: MachineSpec;
  bootId: string;
  /** Monotonic milliseconds at the last change. */
  clock: number;
  /** Source of numbers: devices, tasks and processes draw from it. */
  next: { uid: number; task: number; pid: number; group: number; boot: number };
  /** /sys/bus/pci/drivers_autoprobe. */
  autoprobe: boolean;
  /** Devices by address. */
  devices: Record<string, Device>;
  /** Devices that were removed in software but still sit in their slot: a rescan finds them. */
  removed: RemovedDevice[];
  /** Registered drivers by name, in the order of registration. */
  drivers: Record<string, Driver>;
  /** Loaded modules by name, in the order of loading. */
  modules: Record<string, Module>;
  /** IOMMU groups by number. */
  groups: Record<string, Group>;
  /** Who holds which lock, and who waits for it. Absent: free. */
  locks: Record<string, Lock>;
  /** System calls that have not returned. */
  tasks: Task[];
  processes: Process[];
  /** Units of systemd, by the keys of src/pci/unit.ts; none: systemd does not run here. */
  units: Record<string, UnitRun>;
  /** What systemd has processes in, by its name. */
  slices: Record<string, SliceRun>;
  /** Where interrupts may go, as lists of src/pci/cpu-list.ts; absent: nothing is known of the CPUs. */
  irqs?: { default: string; each: Record<string, Irq> };
  logins: readonly LoginSpec[];
  /** Frequency policies of CPUs, by their names. */
  frequency: Record<string, FrequencyPolicy>;
  /** libvirt's daemon; absent while it does not run. */
  daemon?: Process;
  opens: OpenNode[];
  consoles: Console[];
  /** The firmware's frame buffer, by its platform device; absent once it was evicted. */
  firmwareFramebuffer?: string;
  /** Its driver was taken from it. */
  firmwareUnbound?: true;
  mdevs: Record<string, Mdev>;
  memory?: { nodes: NodeMemory[]; pools: Pool[]; mappings: HugepageMapping[] };
  /** Attribute files that somebody keeps open, by a name of their own choice. */
  handles: Record<string, Handle>;
  faults: FaultRule[];
  schedule: { readonly at: number; readonly operation: Operation }[];
  journal: JournalEntry[];
  /** Kernel log, the latest lines. */
  log: string[];
}

/** How fast some CPUs run. */
export interface FrequencyPolicy {
  cpus: readonly number[];
  governor: string;
  /** Absent: its driver has none. */
  epp?: string;
  /** The one that there was before the governor became `performance`. */
  saved?: string;
}

/** Which CPUs a slice of systemd may have. Lists of src/pci/cpu-list.ts. */
export interface SliceRun {
  /** What systemd says; empty: any. */
  allowed: string;
  /** What its control group is confined to; empty: nothing. */
  kernel: string;
}

/** An interrupt. */
export interface Irq {
  cpus: string;
}

/** A unit of systemd. */
export interface UnitRun {
  active: 'active' | 'deactivating' | 'inactive' | 'failed';
  /** Since that was forgotten last. */
  starts: number;
  /** What it is started after. */
  readonly after?: string;
  /** It is to be started, which waits. */
  queued?: boolean;
}

/** One function on the bus; a device that is removed and found again is a new object with a new uid. */
export interface Device {
  readonly uid: number;
  readonly spec: DeviceSpec;
  /** The kernel's dev->driver: set until remove() has returned. */
  driver?: string;
  /** Whether sysfs shows the driver link: it goes before remove() runs (drivers/base/dd.c:__device_release_driver). */
  linked: boolean;
  driverOverride?: string;
  /** Number of the IOMMU group. */
  group?: number;
  /** Whether `reset` and `reset_method` are there: a method worked as the device was added. */
  readonly resettable: boolean;
  /** Reset methods that are enabled. */
  resetMethods: string[];
  powerControl: 'auto' | 'on';
  /** `unknown`: awake, but a driver that has left may have done anything (drivers/pci/pci-driver.c:pci_device_remove). */
  powerState: 'D0' | 'D3hot' | 'D3cold' | 'unknown';
  d3coldAllowed: boolean;
  /** Count of the `enable` attribute. */
  enabled: number;
  bars: BarState[];
  /** A bridge's window for 64-bit prefetchable memory. */
  window?: { start: number; size: number };
  numVfs: number;
  /** sriov_drivers_autoprobe. */
  vfAutoprobe: boolean;
  vgpuType?: number;
  /** NVIDIA's vGPU host driver: nobody can open the card until it is given up. */
  unbindLock?: true;
  /** What a network card keeps for each of its virtual functions. */
  vfSettings?: VfSettings[];
  /** Whether its interface was set up or down since the machine was started; absent: it was not. */
  netUp?: boolean;
  /** What a driver has dealt out to functions of its graphics card. */
  shares?: Record<string, string>;
  /** Its card has taken the link to it away: it is on its way off the bus. */
  unlinked?: true;
  /** Address of its own network interface, of a virtual function. */
  mac?: string;
  /** Parameters of the vGPU; absent: none. They go with it. */
  vgpuParams?: string;
  /** Its driver was taken off once: NVIDIA's framework knows it no more until the card's functions are made again. */
  vgpuLost?: true;
  /** NVIDIA's driver: nvidia_drm has it open. */
  drmClient?: true;
  /** NVIDIA's driver: it is kept set up while nobody has it open. */
  persistence?: true;
  /** Processes that opened the device through VFIO. */
  users: number[];
  resets: number;
}

/** What `ip link set dev PF vf N …` sets. */
export interface VfSettings {
  mac: string;
  /** Somebody has set the address through the card: then the function's own driver may not change it. */
  macIsSet: boolean;
  vlan: number;
  qos: number;
  spoofchk: boolean;
  trust: boolean;
  state: 'auto' | 'enable' | 'disable';
  maxTxRate: number;
}

/** A card in its slot that the kernel has forgotten. */
export interface RemovedDevice {
  readonly spec: DeviceSpec;
  readonly bars: readonly BarState[];
}

export interface BarState {
  readonly index: number;
  /** Bytes; kept when the BAR has lost its address. */
  size: number;
  /** First address; -1: none assigned. */
  start: number;
}

export interface Driver {
  readonly spec: DriverSpec;
  /** Ids that new_id added: `vvvv:dddd`. */
  dynamicIds: string[];
}

export interface Module {
  /** Values of /sys/module/X/parameters. */
  parameters: Record<string, string>;
  /** vfio_pci_core's copy of disable_idle_d3, taken when vfio_pci was loaded (before Linux 7). */
  idleD3AtLoad: boolean;
}

export interface Group {
  readonly number: number;
  /** Key in the spec; VFs and mediated devices have none. */
  readonly key?: number;
  type: string;
  /** The process that has /dev/vfio/N open. */
  openedBy?: number;
  /** The process that claimed the group for DMA. */
  ownedBy?: number;
}

export interface Lock {
  holder: number;
  queue: number[];
}

/** One system call in progress: what is left of it, as data, so that it goes on when its caller is long dead. */
export interface Task {
  readonly id: number;
  readonly writer: number;
  /** The write that it is, when it is one: attribute and bytes. */
  readonly write?: { readonly path: string; readonly value: string };
  /** What a program says when everything that it has to do is done. */
  output?: ProgramOutput;
  todo: Work[];
  locks: string[];
  /** What it waits for, in words. */
  waiting?: string;
}

export interface Process {
  readonly pid: number;
  readonly startTime: number;
  readonly name: string;
  readonly guest?: string;
  readonly unit?: SystemdUnit;
  /** It has so many files open that nobody gets through them in time. */
  readonly crowded?: true;
  readonly program?: string;
  readonly halted?: boolean;
  /** As in a ProcessSpec. */
  readonly letsGoMs?: number;
  readonly endsMs?: number;
  /** Established TCP connections, with the inodes of their sockets. */
  readonly sessions?: readonly (TcpSession & { readonly inode: number })[];
}

export interface OpenNode {
  readonly pid: number;
  readonly path: string;
  /** The device behind the node; absent for a node that belongs to no single device. */
  readonly uid?: number;
  /** The module whose use it is while it lasts, also when the device is gone from its driver. */
  readonly module?: string;
}

/** A virtual terminal's console driver, /sys/class/vtconsole/vtconN. */
export interface Console {
  readonly number: number;
  readonly text: 'VGA+' | 'frame buffer device' | 'dummy device';
  /** `(S)` in its name: it cannot be unbound. */
  readonly system: boolean;
  bound: boolean;
}

/** Memory of a node besides huge pages, in kB. */
export interface NodeMemory {
  availableKb: number;
  wholeKb: number;
}

/** A pool of huge pages of one size. */
export interface Pool {
  readonly sizeKb: number;
  nodes: NodePool[];
  /** Pages that were promised and not touched yet. */
  reserved: number;
  /** The node whose turn it is. */
  nextAllocation: number;
  nextRelease: number;
}

/** The part of a pool on one node: all pages, those that are free, and those that are only lent to it. */
export interface NodePool {
  nr: number;
  free: number;
  surplus: number;
}

/** Huge pages that a process has. */
export interface HugepageMapping {
  readonly pid: number;
  readonly sizeKb: number;
  readonly promised: number;
  /** By node. */
  readonly used: number[];
}

export interface Mdev {
  readonly parent: string;
  readonly type: string;
  readonly group: number;
  /** Files of its parent's driver, by their paths below it. */
  values: Record<string, string>;
  /** It is being removed: off its bus, and still there while somebody has it open. */
  leaving?: true;
}

export interface Handle {
  readonly path: string;
  readonly uid?: number;
}

/** One call that changes the machine, for tests and the demo. */
export interface JournalEntry {
  /** The task's number. */
  readonly id: number;
  readonly at: number;
  /** The process that asked for it; the writer of a blocked call is a child of its own. */
  readonly pid: number;
  readonly operation: 'write' | 'load' | 'unload' | 'run';
  /** Attribute, or name of the module, or of the program. */
  readonly path: string;
  /** The bytes written, with their newline; the arguments of a program. */
  readonly value: string;
  /** `ok`, `killed` (the caller died before the call) or the errno; absent while the call has not returned. */
  result?: string;
  /** It only tells, and is no call that changes the machine. */
  tells?: true;
  /** What a program said, and how it ended. */
  output?: ProgramOutput;
  /** Milliseconds until it returned. */
  took?: number;
}

/** How a program ended. */
export interface ProgramOutput {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The device with this uid, while it is there. */
export function deviceByUid(state: MachineState, uid: number): Device | undefined {
  return Object.values(state.devices).find((device) => device.uid === uid);
}

/** The devices of a group, in the order of their addresses. */
export function groupMembers(state: MachineState, number: number): Device[] {
  return Object.values(state.devices)
    .filter((device) => device.group === number)
    .sort((a, b) => (a.spec.address < b.spec.address ? -1 : 1));
}

/** The registered driver that holds a device. */
export function driverOf(state: MachineState, device: Device): Driver | undefined {
  return device.driver === undefined ? undefined : state.drivers[device.driver];
}

/** Where a device's directory really is: below the bridges that it is behind. */
export function devicePath(state: MachineState, device: Device): string {
  const { address, behind } = device.spec;
  const parent = state.devices[behind ?? ''];
  const above = parent ? devicePath(state, parent) : `/sys/devices/pci${busOf(address)}`;
  return `${above}/${address}`;
}

/** Domain and bus of an address: `10000:e1`. */
export function busOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':'));
}

/** PCI header type 1 (a bridge): the class is 0604. */
export function isBridge(spec: DeviceSpec): boolean {
  return spec.class.startsWith('0604');
}

/** Appends a line to the kernel log, which keeps the latest 200. */
export function logLine(state: MachineState, line: string): void {
  state.log.push(line);
  if (state.log.length > 200) state.log.splice(0, state.log.length - 200);
}
