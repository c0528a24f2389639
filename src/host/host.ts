import type { Hint } from '../hint.ts';
import type { PciAddress } from '../pci/address.ts';
import type { ActingProgram, OptionedProgram } from '../programs.ts';

/**
 * The port to the kernel. Low on purpose: attributes, links and lists, so that the choreography of writes
 * stays in the code that is tested. `host/linux` talks to the real kernel, `host/simulated` to one in memory.
 *
 * - Paths are absolute and are those of the real machine in both (`/sys/bus/pci/…`): see src/pci/sysfs.ts.
 * - `read`, `readBytes`, `readLink`, `list`, `status` and `tryOpen` are synchronous and only for what the kernel
 *   answers at once.
 * - Whatever may wait, for a device's lock or for the device itself, goes through the others: asynchronous,
 *   under a deadline, in a child process where the kernel is real, since a task that waits in the kernel
 *   cannot be ended and would take the hook, and libvirt with it, along.
 * - A read that fails is not an absence: only ENOENT, ENOTDIR and ENODEV are. Every other answer is thrown as a
 *   VfioHookError: VH_KERNEL, with the path and the errno. A program that is missing, or does not do what is needed,
 *   is VH_INSTALLATION.
 */
export interface Host {
  readonly kind: 'linux' | 'simulated';
  /**
   * A file's text; undefined when there is no such file (ENOENT, ENOTDIR) or its device is gone (ENODEV). `large` is for
   * a file of a megabyte, of which ASCII matters: what else is in it may come as other characters. Where only the lines that
   * begin with a text matter, the others may be left out.
   */
  read(path: string, size?: 'large' | { readonly linesWith: string }): string | undefined;
  /** The first `length` bytes of a file; undefined as in `read`. Never of a device's `config`: see `readSlow`. */
  readBytes(path: string, length: number): Uint8Array | undefined;
  /** A link's target as stored (relative in sysfs); undefined when there is no such link, or something else has its name. */
  readLink(path: string): string | undefined;
  /** Names in a directory, sorted; undefined when there is no such directory. */
  list(path: string): readonly string[] | undefined;
  /** What a file is, without following a link; undefined when there is none. */
  status(path: string): FileStatus | undefined;
  /**
   * The SELinux label of a file, links followed; undefined when it has none or does not answer in time. For the
   * doctor: a child process has to read it.
   */
  securityLabel(path: string, deadlineMs: number): Promise<string | undefined>;
  /** Opens and closes a device node: `busy` (EBUSY) is how VFIO says that a guest has the group. */
  tryOpen(path: string): Opening;
  /**
   * Opens block devices exclusively (O_EXCL), for reading, and closes them: `busy` is how the kernel says that
   * a file system, swap space, a volume or a pool has it or a part of it (block/bdev.c:bd_may_claim). `denied`
   * is every other refusal: then nobody knows.
   */
  openExclusive(paths: readonly string[], deadlineMs: number): Promise<ExclusiveOpening>;
  /**
   * Reads the first lines of attributes whose read takes the device's lock (`driver_override` on Linux 6.1,
   * `sriov_numvfs` on all).
   */
  readLocked(paths: readonly string[], deadlineMs: number): Promise<LockedRead>;
  /**
   * The first `length` bytes, by one read(2), of a file whose read may wait for the device itself: `config` wakes a
   * card (drivers/pci/pci.c:pci_config_pm_runtime_get), files of /proc/driver/nvidia take the driver's locks.
   */
  readSlow(path: string, length: number, deadlineMs: number): Promise<SlowRead>;
  /**
   * The routes of IPv4 in every table to a quarter of all addresses or more, as `ip -json route show table all` prints
   * them; undefined when there is no ip(8), or it does not tell in time. A netlink socket is not for Node.
   */
  wideRoutes(deadlineMs: number): Promise<string | undefined>;
  /** Makes one write(2) of `value` and a newline to an existing attribute. An empty value writes the newline alone. */
  write(path: string, value: string, deadlineMs: number): Promise<WriteResult>;
  /**
   * Loads a kernel module with the modules it depends on (modprobe), and waits a moment for the driver that it is
   * loaded for. That it is `loaded` proves nothing: see `ModuleOptions`.
   */
  loadModule(name: string, deadlineMs: number, options?: ModuleOptions): Promise<ModuleResult>;
  /**
   * Runs a program for what it does, or tells. Arguments are passed as they are, no shell is involved, its input is empty.
   * One that does not end in time is left alone, and may still do what it was started for.
   */
  run(program: ActingProgram, args: readonly string[], deadlineMs: number): Promise<RunResult>;
  /**
   * Runs a script of a guest for a device, bounded by the time that scripts have; undefined when it has done its work, else what
   * is wrong. Absent where none may run: only the start of a guest has them, and only the hook that libvirt has called.
   */
  runScript?(script: BetweenScript): Promise<ScriptFailure | undefined>;
  /**
   * Tries whether a program knows the options that this one gives it: undefined when it does, else what it says. For
   * the doctor.
   */
  tryProgram(program: OptionedProgram, deadlineMs: number): Promise<string | undefined>;
  /**
   * The processes that have one of these open, device nodes or sockets (`socket:[inode]`): one entry for each
   * process and path, in order of process. Looks at each process once, however many paths there are, and at none
   * when there is no path. This process and those that it started are left out. The look is bounded in time;
   * whoever decides by it asks for `openFiles`, which tells what it did not come to.
   */
  holders(paths: readonly string[]): readonly Holder[];
  /**
   * As `holders`, with the processes whose open files could not all be looked at; of those programs only, by their short
   * names, that `ofProgram` takes.
   */
  openFiles(paths: readonly string[], ofProgram?: (name: string) => boolean): OpenFiles;
  /** Pids of libvirt's QEMU daemons (libvirtd, virtqemud). Looks at every process of the host: for recovery, not for a start. */
  libvirtDaemons(): readonly number[];
  /** The QEMU that libvirt has started for the guest of this name, by what only root can have said of it. */
  guestProcess(guest: string): GuestProcess | undefined;
  /** Writes of this program that still wait in the kernel, also those of runs that have died since. */
  blockedWrites(): readonly BlockedWrite[];
  /** Whether the process that was once seen is still there: same pid and same start time. */
  isAlive(process: ProcessIdentity): boolean;
  /** Waits for a process that may be nobody's child to end, at most so long; whether it has ended. */
  hasEnded(process: ProcessIdentity, deadlineMs: number): Promise<boolean>;
  /** Lets time pass between two looks at something; whoever asks bounds their number. */
  pause(milliseconds: number): Promise<void>;
  /** This process. */
  self(): ProcessIdentity;
  /** Monotonic milliseconds. */
  now(): number;
}

/** A script of a guest that runs for one device. */
export interface BetweenScript {
  readonly device: PciAddress;
  readonly guest: string;
  readonly name: string;
  readonly path: string;
}

/** What became of a script that has not done its work. */
export interface ScriptFailure {
  /** Completes "cannot …: …". */
  readonly reason: string;
  readonly hints: readonly Hint[];
}

/** What lstat(2) says of a file. */
export interface FileStatus {
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  readonly uid: number;
  readonly gid: number;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  /** When the file came to its name or was changed last (ctime), in milliseconds since 1970. */
  readonly changedMs: number;
}

/** A process beyond doubt: pids are used again, a pid with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks after boot. */
  readonly startTime: number;
}

/** Who has some files open, as far as it could be seen. */
export interface OpenFiles {
  readonly holders: readonly Holder[];
  /** Those that were not looked at to the end, by process: each of them may have any of the files open. */
  readonly unseen: readonly UnseenProcess[];
}

/** A process with so many files open that there was no time to look at all of them. */
export interface UnseenProcess {
  readonly pid: number;
  readonly name: string;
}

/** A process that holds a device. */
export interface Holder {
  readonly pid: number;
  /** What it has open, as it was asked for. */
  readonly path: string;
  /** Short name of the program, such as `qemu-system-x86`. */
  readonly name: string;
  /** Name of the guest when the process is a QEMU that libvirt started. */
  readonly guest?: string;
  readonly unit?: SystemdUnit;
  /**
   * The file that it runs, such as `/usr/bin/wireplumber`. Absent for a process with mounts of its own, such as one in
   * a container: there the path could be anything.
   */
  readonly program?: string;
  /** It is stopped, traced or frozen, so that it does nothing about whatever happens. */
  readonly halted?: true;
}

/** The unit of systemd that a process belongs to. */
export interface SystemdUnit {
  /** Such as `lightdm.service` or `session-2.scope`; only characters that are harmless in a terminal. */
  readonly name: string;
  /** Number of the user whose own service manager runs it; absent: the system's. */
  readonly user?: number;
}

/** A QEMU that libvirt started. */
export interface GuestProcess {
  readonly pid: number;
  /** Short name of the program, such as `qemu-system-x86`. */
  readonly name: string;
  readonly guest: string;
  readonly uuid?: string;
}

/** A write of this program that has not returned. */
export interface BlockedWrite {
  readonly path: string;
  /** What is being written, without the newline: for `bind` and `unbind` the device's address. */
  readonly value: string;
  readonly writer: ProcessIdentity;
}

/** What came of one write(2). */
export type WriteResult =
  | { readonly kind: 'written' }
  | { readonly kind: 'refused'; readonly errno: string }
  | {
      /** The kernel did not return before the deadline. The write may still take effect, however late. */
      readonly kind: 'stuck';
      readonly writer: ProcessIdentity;
    };

/** What came of a program that was run. */
export type RunResult =
  | {
      readonly kind: 'exited';
      /** -1 when a signal ended it. */
      readonly status: number;
      readonly stdout: string;
      readonly stderr: string;
    }
  | { readonly kind: 'stuck'; readonly writer: ProcessIdentity };

/** What opening a device node came to. */
export type Opening = 'free' | 'busy' | 'absent' | 'denied';

/** A read that has not returned before its deadline, and the file that it waits for. */
export interface StuckRead {
  readonly kind: 'stuck';
  readonly path: string;
}

/** What came of reading attributes that take the device's lock: first lines by path; absent files are left out. */
export type LockedRead = { readonly kind: 'read'; readonly texts: ReadonlyMap<string, string> } | StuckRead;

/** What came of reading a file that may wait for its device; without bytes when it is not there. */
export type SlowRead = { readonly kind: 'read'; readonly bytes?: Uint8Array } | StuckRead;

/** What came of opening block devices: an answer for each path. */
export type ExclusiveOpening =
  { readonly kind: 'opened'; readonly answers: ReadonlyMap<string, Opening> } | StuckRead;

/** How a module is loaded. */
export interface ModuleOptions {
  /** Whether a `blacklist` line of modprobe.d counts for it (`modprobe -b`). modprobe is content then and does nothing. */
  readonly obeyBlacklist?: boolean;
  /** The PCI driver that it is loaded for. */
  readonly driver?: string;
}

/** What came of loading a module. */
export type ModuleResult =
  | { readonly kind: 'loaded' }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'stuck'; readonly writer: ProcessIdentity };
