import type { GraphicsCard, GraphicsHost } from '../pci/graphics.ts';
import type { Mdev, MdevParent } from '../pci/mdev.ts';

/*
 * What is seen of a thing besides its state: it decides whether and how the thing can be changed, and is nobody's to put
 * back.
 */

/** What a pool and the memory around it are like. */
export type PoolFacts = Readonly<{
  /** Pages that are in use, or promised to somebody who has not touched them yet: the pool never gets smaller than that. */
  busy: number;
  /** Pages that would fit into blocks of memory that are free as a whole. */
  whole: number;
  /** Pages that all memory which the host can spare would make. */
  room: number;
  /** Whether this kernel can be told to compact its memory. */
  compacts: boolean;
}>;

/** What a physical function is like. Ids as in a PciDevice. */
export type PhysicalFunctionFacts = Readonly<{
  /** Virtual functions that it can have. */
  total: number;
  offset: number;
  stride: number;
  /** As in {@link Routing} of src/resource/sriov/promised.ts. */
  byProgram?: true;
  /** Empty: none. */
  driver: string;
  /** Whether the driver deals out shares to functions: of Intel's, only one that makes them does. */
  deals: boolean;
  /** Who has one of its virtual functions open: `0000:02:10.0 is open in guest "a" (qemu-system-x86, pid 1)`; empty: nobody. */
  open: string;
  vendor: string;
  /** Device id of its virtual functions. */
  vfDevice: string;
  subsystemVendor: string;
  subsystemDevice: string;
  revision: string;
  class: string;
  /**
   * vGPU types that functions of other cards of the same model offer, as lists of VgpuFacts have them; only where the card
   * makes its own by NVIDIA's program and has none.
   */
  vgpuTypes: string;
}>;

/** What a virtual function of NVIDIA's own VFIO framework is like. Lists have a line for each. */
export type VgpuFacts = Readonly<{
  /** The card. */
  physical: string;
  /** What it could be made now: `1152 NVIDIA L40S-8Q`. */
  creatable: string;
  /** Types whose names are known, by it or another one of the card. */
  known: string;
  /** The other ones of the card that are something: `0000:41:00.5 1152`. */
  taken: string;
  /** Who has it open, in words; empty: nobody. */
  open: string;
  /** It is not there yet, so nothing of this is known. */
  expected: boolean;
  /** NVIDIA's nvidia-vgpu-mgr does not run, without which no guest with a vGPU starts. */
  unmanaged: boolean;
}>;

/** What mediated devices could be made of. */
export type MdevFacts = Readonly<{
  /** Who has it open: `guest "a" (pid 1)`; empty: nobody. */
  open: string;
  parents: readonly MdevParent[];
  /** What is there, by its UUID. */
  devices: Readonly<Record<string, Mdev>>;
  graphics: readonly GraphicsCard[];
  kernel: GraphicsHost;
}>;

/** What is known of what a network card keeps for a virtual function. */
export type FunctionFacts = Readonly<{
  /** Whether the function is there. */
  there: boolean;
  /** Name of the card's interface. */
  link: string;
  /** Who has the function open, as in PhysicalFunctionFacts; empty: nobody. */
  open: string;
}>;

/** The same, with the function itself. */
export type FunctionAddressFacts = FunctionFacts &
  Readonly<{
    /** Address of the function; empty while it is not there. */
    function: string;
    /** Name of its own interface; empty: no driver of the host has made one. */
    ownLink: string;
  }>;

/** What there is to know of something of a kind. */
export interface Facts {
  readonly hugepages: PoolFacts;
  readonly vfs: PhysicalFunctionFacts;
  readonly vgpu: VgpuFacts;
  readonly mdev: MdevFacts;
  readonly vf: FunctionFacts;
  readonly 'vf-mac': FunctionAddressFacts;
  readonly 'vf-resource': Readonly<{
    /** Nobody can write it. */
    fixed: boolean;
  }>;
  readonly unit: Readonly<{
    /** Whether systemd knows it. */
    there: boolean;
    /** Users whose sessions end with it, by name. */
    users: readonly string[];
  }>;
  readonly console: Readonly<{
    /** As it is called now: `vtcon1`. */
    name: string;
    /** The kernel has it for good. */
    system: boolean;
  }>;
  readonly framebuffer: Readonly<{
    /** The kernel takes it away until the next boot as soon as a vfio driver has its card. */
    goes: boolean;
  }>;
  readonly module: Readonly<Record<string, never>>;
  readonly 'vfio-modules': Readonly<{
    /** Those that are loaded, in an order in which each can go: before what it uses. */
    order: readonly string[];
    /** A device that is on a VFIO driver, or another module that uses one of them; empty: nobody needs them. */
    user: string;
  }>;
  readonly persistence: Readonly<Record<string, never>>;
  readonly cpus: Readonly<{
    /** CPUs that are there, and those that are online. */
    present: string;
    online: string;
    /** Whether systemd can keep a slice on some CPUs: the one hierarchy of control groups (cgroup v2), with cpuset. */
    unified: boolean;
  }>;
  readonly irq: Readonly<{
    /** irqbalance runs. */
    balanced: boolean;
  }>;
  readonly frequency: Readonly<{
    /** Name of the scaling driver: `amd-pstate-epp`. */
    driver: string;
    /** Governors that the kernel offers for it. */
    offered: readonly string[];
    /** It has an energy-performance preference that cannot be read. */
    hidden: boolean;
  }>;
  readonly parameter: Readonly<Record<string, never>>;
}
