import type { Governor } from '../pci/frequency.ts';
import type { Mdev } from '../pci/mdev.ts';

/**
 * One thing of the host besides devices that an owner needs otherwise than it was: pages in a pool, virtual functions
 * of a card, a parameter of a module. What a kind does with it stands in src/resource.
 *
 * All claims that hold one key of one kind have the same original: the first one takes it from the host, each later
 * one from a claim that is there, since the host shows this program's own doing by then.
 */
export type Hold<K extends HoldKind = HoldKind> = {
  readonly [Kind in K]: {
    readonly kind: Kind;
    /** Which one: `2048kB node0`, `0000:02:00.0`. Canonical, and no path. */
    readonly key: string;
    /** What it was before the first change of anybody. */
    readonly original: StateOf<Kind>;
    /** What this owner wants of it. */
    readonly wish: WishOf<Kind>;
  };
}[K];

/** A hold by what it is of. */
export type HoldId = Pick<Hold, 'kind' | 'key'>;

/** States and wishes are flat, so that they are compared, shown and stored by one code. Absent is not false. */
export type Stated = Readonly<Record<string, string | number | boolean>>;

/** What is stored of each kind. How it is checked when it is read back stands in src/claim/hold-form.ts. */
export interface Forms {
  /** A pool of huge pages: `SIZEkB nodeN`, or `SIZEkB` for that of all nodes together. */
  readonly hugepages: {
    /** How many pages the pool is to keep: without those that are only lent to it (surplus). */
    readonly state: { readonly pages: number };
    /** How many this owner needs on top of what there is. */
    readonly wish: { readonly pages: number };
  };
  /** The virtual functions of a physical one, by its address. */
  readonly vfs: {
    readonly state: {
      readonly count: number;
      /** Whether drivers of the host take new virtual functions (sriov_drivers_autoprobe). */
      readonly autoprobe: boolean;
      /** The physical function's power/control. */
      readonly power: 'auto' | 'on';
    };
    readonly wish: { readonly count: number; readonly autoprobe: boolean };
  };
  /** What lives on a virtual function that stays on NVIDIA's own VFIO driver, by its address. */
  readonly vgpu: {
    /** Id of the vGPU type; 0: none. */
    readonly state: { readonly type: number };
    readonly wish: {
      /** 0 until the host was asked what the name means. */
      readonly type: number;
      /** Empty where it is not known. */
      readonly name: string;
      /** As the driver takes them, `name=value,name=value`; empty: none. They go with the type. */
      readonly params: string;
    };
  };
  /** A mediated device, by its UUID. */
  readonly mdev: {
    /** Both empty: it is not there. */
    readonly state: Mdev;
    readonly wish: Mdev & {
      /** What is written to its files once it is made: JSON of the pairs of a list, in order. */
      readonly attributes: string;
      /** What it has to be for the guest: `vfio-pci`. */
      readonly api: string;
    };
  };
  /** One thing that a network card keeps for a virtual function, as ip(8) says and sets it: `CARD NUMBER SETTING`. */
  readonly vf: {
    readonly state: { readonly value: string };
    readonly wish: { readonly value: string };
  };
  /** The address of a virtual function of a network card: `CARD NUMBER`. */
  readonly 'vf-mac': {
    readonly state: {
      /** As its card has it; `unset`: nobody has set it through the card; `libvirt`: it is libvirt's to put back. */
      readonly mac: string;
      /** That of its own interface; empty: it had none. */
      readonly own: string;
    };
    readonly wish: {
      /** `libvirt`: libvirt sets it. */
      readonly mac: string;
      /** The configuration says that nobody has set it before. */
      readonly unset: boolean;
    };
  };
  /** A share that a driver deals out to a function of its card: `CARD FILE`. */
  readonly 'vf-resource': {
    readonly state: { readonly value: string };
    readonly wish: { readonly value: string };
  };
  /** A unit of systemd, by the key of src/pci/unit.ts. */
  readonly unit: {
    /** Whether it is running. */
    readonly state: { readonly active: boolean };
    readonly wish: { readonly active: boolean };
  };
  /** Which CPUs the host's own processes may run on, by the slice or scope of systemd that has them: `system.slice`. */
  readonly cpus: {
    /** Its AllowedCPUs= as a list of src/pci/cpu-list.ts; empty: any. */
    readonly state: { readonly allowed: string };
    readonly wish: {
      /** What is left to it while the owner is there: all but the owner's CPUs. */
      readonly keeps: string;
      /** All CPUs of the host. */
      readonly all: string;
    };
  };
  /** Where an interrupt may go, by its number; `default`: those that come. */
  readonly irq: {
    /** A list of src/pci/cpu-list.ts. */
    readonly state: { readonly cpus: string };
    /** What is left to the host while the owner is there. */
    readonly wish: { readonly keeps: string };
  };
  /** A driver of the text console, by what the kernel calls it: `frame buffer device`. */
  readonly console: {
    readonly state: { readonly bound: boolean };
    readonly wish: { readonly bound: false };
  };
  /** What the firmware has left to draw on, by its device of the platform: `efi-framebuffer.0`. */
  readonly framebuffer: {
    /** Empty: no driver has it. */
    readonly state: { readonly driver: string };
    readonly wish: { readonly driver: '' };
  };
  /** A module of the kernel, by its name with underscores. */
  readonly module: {
    readonly state: { readonly loaded: boolean };
    readonly wish: { readonly loaded: boolean };
  };
  /** The modules of VFIO together: `vfio`. */
  readonly 'vfio-modules': {
    /** Whether there is any of them. */
    readonly state: { readonly loaded: boolean };
    readonly wish: { readonly loaded: true };
  };
  /** Persistence mode of a card on NVIDIA's driver, by its address. */
  readonly persistence: {
    readonly state: { readonly on: boolean };
    readonly wish: { readonly on: false };
  };
  /** How fast CPUs run, by the name of their frequency policy: `policy4`. */
  readonly frequency: {
    /** `epp`: the energy-performance preference, a word or a number of the driver; empty: its driver has none. */
    readonly state: { readonly governor: string; readonly epp: string };
    readonly wish: { readonly governor: Governor };
  };
  /** A parameter of a module that is true or false: `MODULE PARAMETER`. */
  readonly parameter: {
    /** As the kernel prints it. */
    readonly state: { readonly value: 'Y' | 'N' };
    readonly wish: { readonly value: 'Y' };
  };
}

export type HoldKind = keyof Forms;

/** What something of a kind is like. */
export type StateOf<K extends HoldKind> = Forms[K]['state'];

/** What an owner wants of something of a kind. */
export type WishOf<K extends HoldKind> = Forms[K]['wish'];
