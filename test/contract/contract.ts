/**
 * The contract between this program and the kernel, as data: what is done, what the kernel answers, what can
 * be seen afterwards. It runs against the simulated kernel with every test run, and can run against a real one
 * in a virtual machine of the same topology; nothing here depends on either.
 *
 * Texts may hold `{link role}` (its network interface), `{role}` (a device's address), `{dev role}` (its directory below /sys/bus/pci/devices) and
 * `{group role}` (the number of its IOMMU group at that moment). Data is written byte for byte.
 */

/** A device by what it is good for; the target's topology says which address that is. */
export type Role =
  | 'gpu'
  | 'gpuAudio'
  | 'igb'
  | 'vf0'
  | 'vf1'
  | 'nvme'
  | 'bridge'
  | 'bridgeNic'
  | 'bridgeAudio'
  | 'nic'
  | 'rebar'
  | 'rebarSibling'
  | 'rootPort';

/** The kernels that the table was measured on. */
export type Kernel = '6.1' | '6.12' | '7.2';

/** How the machine was started; `normal` unless a row needs something else. */
export type Boot =
  | 'normal'
  /** Without an IOMMU. */
  | 'no-iommu'
  /** No driver for the graphics card: the text console of VGA is there. */
  | 'vga-console'
  /** A second function of the resizable-BAR device, with a BAR in the same bridge window. */
  | 'rebar-pair'
  /** Firmware that keeps its BAR addresses. */
  | 'firmware-keeps-bars'
  /** The NVMe disk has swap on it. */
  | 'disk-in-use';

/** What the name of a device node begins with, its directory left out. */
export type NodeKind = 'card' | 'fb' | 'control' | 'pcm' | 'hw';

export type Operation =
  /** One write(2); `create`: the file is opened with O_CREAT. */
  | { readonly write: string; readonly data: string; readonly create?: true }
  | { readonly read: string }
  | { readonly load: string }
  | { readonly unload: string }
  /** A guest's QEMU opens the groups of these devices, and the devices. */
  | { readonly openGroup: readonly Role[]; readonly guest: string }
  | { readonly closeGroup: string }
  /** A guest's QEMU opens a mediated device, by its UUID. */
  | { readonly openMdev: string; readonly guest: string }
  /** A process opens a device node of this device, the first one or that of a kind, and closes it. */
  | { readonly holdNode: Role; readonly node?: NodeKind }
  | { readonly releaseNode: Role; readonly node?: NodeKind }
  /** Opens an attribute for writing and keeps it, under this name. */
  | { readonly keepOpen: string; readonly as: string }
  | { readonly writeOpen: string; readonly data: string }
  /** Opens and closes a node, exclusively. */
  | { readonly tryOpen: string }
  /** A process maps so many huge pages of 2 MiB and touches some of them; it ends. */
  | { readonly mapPages: number; readonly touched: number; readonly as: string }
  | { readonly unmapPages: string }
  /** ip(8) with these words, of which `{link role}` is the interface of a device. */
  | { readonly ip: string }
  /** What a card keeps for one of its functions; the answer is the value. */
  | { readonly vf: number; readonly of: Role; readonly setting: string }
  /** The process of the blocked operation gets SIGKILL. */
  | { readonly killBlocked: true };

/** `ok`, the name of an errno, or `blocks`: it does not return while things stay as they are. */
export type Answer = string;

export type Fact =
  /** Text of a file without the newline at its end. */
  | {
      readonly text: string;
      readonly is: string;
      /** The kernel does it in its own time, after the operation has returned (pm_runtime_put). */
      readonly soon?: true;
    }
  /** Last part of a link's target; null: there is no such link. */
  | { readonly link: string; readonly is: string | null }
  | { readonly exists: string; readonly is: boolean }
  /** The first bytes of a file, in hexadecimal digits. */
  | { readonly bytes: string; readonly length: number; readonly is: string }
  /** Bytes between the addresses of a BAR in the `resource` file; 0: not assigned. */
  | { readonly barSize: Role; readonly bar: number; readonly is: number };

export interface Step {
  readonly operation: Operation;
  readonly expect: Answer;
  readonly after?: readonly Fact[];
}

export interface Row extends Step {
  /** Number in the table of facts, with a letter where one row there is several here. */
  readonly id: string;
  readonly name: string;
  readonly kernels?: readonly Kernel[];
  readonly boot?: Boot;
  /** Has to succeed. */
  readonly setup: readonly Operation[];
  /** What goes on from there. */
  readonly then?: readonly Step[];
}

/** A kernel, real or simulated. */
export interface ContractTarget {
  readonly addresses: Readonly<Record<Role, string>>;
  /** Does it; a call that does not return within a reasonable time is `blocks` and stays under way. */
  perform(operation: Operation): Promise<Answer>;
  /** A file's text; undefined when it is not there. Only for files whose read never waits. */
  text(path: string): string | undefined;
  /** A link's target; undefined when it is not there. */
  link(path: string): string | undefined;
  exists(path: string): boolean;
  /** Names in a directory; none when it is not there. */
  list(path: string): readonly string[];
  /** The first bytes of a file; undefined when it is not there. */
  bytes(path: string, length: number): Uint8Array | undefined;
  /** Waits, with a bound, for what a real kernel does in its own time. */
  until?(condition: () => boolean): Promise<void>;
}
