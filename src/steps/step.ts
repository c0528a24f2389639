import type { PciAddress } from '../pci/address.ts';
import type { Mdev } from '../pci/mdev.ts';
import type { HostSlice } from '../pci/slice.ts';

/**
 * One change to the host, as data: JSON-serialisable, carried by plans and logs. The record in
 * src/steps/index.ts maps each kind to how it is described, applied and verified.
 */
export type Step =
  | LoadModule
  | UnloadModule
  | SetAttribute
  | SetLink
  | CompactMemory
  | ChangeUnit
  | ConfineSlice
  | ChangeFramebuffer
  | AwaitClosed
  | SetPersistence
  | SriovManage
  | CreateMdev
  | SetMdevAttribute
  | RemoveMdev
  | Unbind
  | ResizeBar
  | ResetDevice
  | RunScript
  | Bind
  | Probe;

export type StepKind = Step['kind'];

/** Loads a kernel module: one that provides a PCI driver which is not registered yet, or a part of VFIO. */
export interface LoadModule {
  readonly kind: 'load-module';
  readonly module: string;
  /** Name of the PCI driver that must be there afterwards; absent for a module without one. */
  readonly driver?: string;
  /**
   * Whether a `blacklist` line of modprobe.d counts. It does for a driver that nobody had: who blacklists vfio-pci
   * means it. It does not for one that the device had before: people blacklist nvidia or amdgpu and load it by hand.
   */
  readonly blacklist: 'obeyed' | 'overruled';
}

/** Takes one module out of the kernel. */
export interface UnloadModule {
  readonly kind: 'unload-module';
  /** With underscores. */
  readonly module: string;
  /** Only where no device is on a driver of it, and nothing else uses it: it stays otherwise, which is no failure. */
  readonly idle?: true;
}

/** What can be set, each with what it belongs to. How is the matter of src/steps/attributes.ts. */
const belongsTo = {
  /** The name of the only driver that may bind the device; empty: any. */
  'driver-override': 'device',
  /** `auto` or `on`. */
  'power-control': 'device',
  /** Names, separated by spaces, in the order in which they are tried; empty: the device is not reset. */
  'reset-methods': 'device',
  /** `1` or `0`: whether the device may lose its power altogether while it sleeps. */
  'd3cold-allowed': 'device',
  /** `Y` or `N`, as the kernel prints it; its key is `MODULE PARAMETER`. */
  'module-parameter': 'name',
  /** Pages that a pool of huge pages keeps; its key is that of src/pci/hugepages.ts. */
  hugepages: 'name',
  /** `1` or `0`: whether a driver of the text console has its terminals; its key is that driver, `vtcon1`. */
  'console-bound': 'name',
  /** What decides how fast the CPUs of a frequency policy run; its key is the policy. */
  governor: 'name',
  /** Energy-performance preference of a frequency policy; its key is the policy. */
  'energy-preference': 'name',
  /** Where an interrupt may go, as a list of CPUs; its key is the interrupt's number. */
  'irq-affinity': 'name',
  /** Where those may go that come, as a mask of src/pci/irq.ts; its key is `default`. */
  'default-irq-affinity': 'name',
  /** How many virtual functions a physical one has. */
  vfs: 'device',
  /** `1` or `0`: whether drivers of the host take new virtual functions of a physical one. */
  'vfs-autoprobe': 'device',
  /** Id of the vGPU type on a virtual function of NVIDIA's own framework; `0`: none. */
  'vgpu-type': 'device',
  /** `1` or `0`: whether everybody is kept from opening a card of NVIDIA's vGPU host driver. */
  'unbind-lock': 'device',
  /** `name=value,name=value`: parameters of the vGPU on it. */
  'vgpu-params': 'device',
  /** A share that a driver deals out to a function of its card; its key is that of src/resource/sriov/profile.ts. */
  'vf-resource': 'name',
} as const;

/** The type of a key: a device's address, or a name that the attribute gives a meaning. */
interface Keys {
  readonly device: PciAddress;
  readonly name: string;
}

export type AttributeName = keyof typeof belongsTo;

/** What one of an attribute is found by. */
export type AttributeKey<A extends AttributeName> = Keys[(typeof belongsTo)[A]];

/** Gives an attribute a value; an empty one clears it. A pair of attribute and key of the same sort, for each attribute. */
export type SetAttribute<A extends AttributeName = AttributeName> = {
  readonly [Name in A]: {
    readonly kind: 'set';
    readonly attribute: Name;
    readonly key: AttributeKey<Name>;
    readonly to: string;
  };
}[A];

/** Has ip(8) set something of a network interface: what a card keeps for a virtual function, or the interface's own address. */
export interface SetLink {
  readonly kind: 'set-link';
  /** The card, or the function whose interface it is. */
  readonly device: PciAddress;
  /** The interface's name when the plan was made. */
  readonly link: string;
  /** Number of the virtual function that the card keeps it for; absent: the interface itself. */
  readonly vf?: number;
  /** In the words of ip(8), such as `trust`. */
  readonly setting: string;
  /** Further words are separated by blanks: `42 qos 3`. */
  readonly to: string;
}

/** Moves what is in memory together, so that there are unbroken blocks for huge pages. */
export interface CompactMemory {
  readonly kind: 'compact-memory';
  /** Number of the NUMA node; absent: all nodes. */
  readonly node?: number;
}

/** Has systemd stop a unit, or start it. */
export interface ChangeUnit {
  readonly kind: 'unit';
  /** As in src/pci/unit.ts. */
  readonly key: string;
  readonly to: 'start' | 'stop';
}

/** Has NVIDIA's driver keep a card set up while nobody uses it, or let go of it. */
export interface SetPersistence {
  readonly kind: 'persistence';
  readonly device: PciAddress;
  readonly to: 'on' | 'off';
}

/** Has systemd keep what is in one of its slices on some CPUs, until the next boot. */
export interface ConfineSlice {
  readonly kind: 'slice';
  readonly key: HostSlice;
  /** A list of src/pci/cpu-list.ts; empty: the slice may run on any. */
  readonly to: string;
}

/** Makes all virtual functions of an NVIDIA card, or takes all of them away, by NVIDIA's own program. */
export interface SriovManage {
  readonly kind: 'sriov-manage';
  /** The card. */
  readonly device: PciAddress;
  readonly to: 'all' | 'none';
}

/** Makes a mediated device. */
export interface CreateMdev extends Mdev {
  readonly kind: 'create-mdev';
  readonly uuid: string;
}

/** Writes to a file of a mediated device that was just made. */
export interface SetMdevAttribute {
  readonly kind: 'set-mdev-attribute';
  readonly uuid: string;
  /** Path below the device. */
  readonly name: string;
  readonly to: string;
}

/** Takes a mediated device away that nobody has open. */
export interface RemoveMdev extends Mdev {
  readonly kind: 'remove-mdev';
  readonly uuid: string;
  /** How many more of its type there could be while it is there: one more afterwards, or it is not gone. */
  readonly available: number;
}

/** Takes the frame buffer that the firmware has left from its driver, or gives it back. */
export interface ChangeFramebuffer {
  readonly kind: 'framebuffer';
  /** Its device of the platform: `efi-framebuffer.0`. */
  readonly key: string;
  readonly driver: string;
  readonly to: 'bind' | 'unbind';
}

/** Waits until nobody has a node of the device open any more. Changes nothing. */
export interface AwaitClosed {
  readonly kind: 'await-closed';
  readonly device: PciAddress;
}

/** Takes the device from its driver. */
export interface Unbind {
  readonly kind: 'unbind';
  readonly device: PciAddress;
  readonly driver: string;
}

/** Writes `resourceN_resize` while no driver holds the device. Sizes in bytes. */
export interface ResizeBar {
  readonly kind: 'resize-bar';
  readonly device: PciAddress;
  readonly bar: number;
  readonly from: number;
  readonly to: number;
}

/** Resets the device by one of its reset methods. */
export interface ResetDevice {
  readonly kind: 'reset-device';
  readonly device: PciAddress;
}

/** Runs a script of a guest for a device that no driver has. */
export interface RunScript {
  readonly kind: 'run-script';
  readonly device: PciAddress;
  readonly guest: string;
  /** Its file name. */
  readonly name: string;
  readonly path: string;
}

/** Gives the device to a driver. */
export interface Bind {
  readonly kind: 'bind';
  readonly device: PciAddress;
  readonly driver: string;
}

/** Offers a device without a driver to the drivers that are registered; the first that takes it has it. */
export interface Probe {
  readonly kind: 'probe';
  readonly device: PciAddress;
}

/** The one thing of the host that a step changes: a device, or something else by its kind and key. */
export type Subject =
  | { readonly device: PciAddress }
  | {
      readonly device?: undefined;
      readonly kind: 'module' | 'memory' | 'unit' | 'slice' | 'framebuffer' | 'mdev' | 'link' | AttributeName;
      readonly key: string;
    };

/** What a step changes. */
export function subjectOf(step: Step): Subject {
  switch (step.kind) {
    case 'load-module':
    case 'unload-module':
      return { kind: 'module', key: step.module };
    case 'set':
      return isOfDevice(step) ? { device: step.key } : { kind: step.attribute, key: step.key };
    case 'set-link':
      return { kind: 'link', key: [step.device, step.vf, step.setting].join(' ') };
    case 'compact-memory':
      return { kind: 'memory', key: step.node === undefined ? 'all nodes' : `node${step.node}` };
    case 'unit':
    case 'framebuffer':
    case 'slice':
      return { kind: step.kind, key: step.key };
    case 'create-mdev':
    case 'set-mdev-attribute':
    case 'remove-mdev':
      return { kind: 'mdev', key: step.uuid };
    case 'persistence':
    case 'sriov-manage':
    case 'await-closed':
    case 'unbind':
    case 'resize-bar':
    case 'reset-device':
    case 'run-script':
    case 'bind':
    case 'probe':
      return { device: step.device };
  }
}

/** A subject in a word, so that subjects can be compared. */
export function subjectName(subject: Subject): string {
  return subject.device ?? `${subject.kind} ${subject.key}`;
}

function isOfDevice(step: SetAttribute): step is SetAttribute<DeviceAttribute> {
  return belongsTo[step.attribute] === 'device';
}

type DeviceAttribute = {
  [A in AttributeName]: (typeof belongsTo)[A] extends 'device' ? A : never;
}[AttributeName];
