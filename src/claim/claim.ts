import type { PciAddress } from '../pci/address.ts';
import type { Hold, HoldId } from './hold.ts';

/**
 * The durable record of who holds which devices and what else of the host, and of what there was before. Inert data: it is read back through
 * src/claim/decode.ts, never executed, and never trusted after a reboot.
 *
 * - It is on disk before the first change to the host.
 * - The originals in it are written once and never overwritten, also when the same guest is prepared again.
 */
export interface Claim {
  /** What is written. Version 2, which has no `holds`, is read as well: a claim lives as long as a boot, a program until its upgrade. */
  readonly version: 3;
  /** /proc/sys/kernel/random/boot_id at the time of writing: what the kernel knows dies with it. */
  readonly bootId: string;
  readonly owner: ClaimOwner;
  readonly state: ClaimState;
  /** ISO 8601, UTC: when the devices were last handed over. */
  readonly claimedAt: string;
  /** The run that wrote this state, so that another run can tell a live one from a dead one. */
  readonly writer: ClaimProcess;
  /** Milliseconds that the kernel may take for one write when the originals are put back. */
  readonly kernelWriteTimeout: number;
  /** The IOMMU groups concerned, in ascending order. */
  readonly groups: readonly number[];
  readonly devices: readonly ClaimedDevice[];
  /** What the owner needs besides devices: one for each kind and key. */
  readonly holds: readonly Hold[];
  /** The owner needs allow_unsafe_interrupts, which was not on before; the last such claim sets it back. */
  readonly unsafeInterrupts?: UnsafeInterrupts | undefined;
  /** Kernel writes that did not return; their devices must not be touched while the writer lives. */
  readonly stuck: readonly StuckWrite[];
  /** What could not be put back, one sentence each; only in state `incomplete`. */
  readonly leftovers: readonly string[];
}

/**
 * Who holds the devices. The kind is written by this program and by nobody else: a guest that is named
 * `manual` is a guest. See src/claim/owner.ts for how each is named.
 */
export type ClaimOwner = GuestOwner | ManualOwner | RunOwner;

/** A guest of libvirt, from its start to its end. */
export interface GuestOwner {
  readonly kind: 'guest';
  readonly name: string;
  readonly uuid: string;
}

/** A person, by `vfio-hook detach`, until `vfio-hook reattach`. */
export interface ManualOwner {
  readonly kind: 'manual';
  /** Made up at random: each detach is a claim of its own. */
  readonly uuid: string;
}

/** A program that `vfio-hook run` started, until it ends. */
export interface RunOwner {
  readonly kind: 'run';
  /** Made up at random. */
  readonly uuid: string;
  /** The program's name, without its directory and arguments. */
  readonly command: string;
  /** `vfio-hook run` itself, then the program: while one of them lives, the devices are in use. */
  readonly processes: readonly ClaimProcess[];
}

/** A process beyond doubt: its id with its start time, in clock ticks after boot. */
export interface ClaimProcess {
  readonly pid: number;
  readonly startTime: number;
}

/**
 * - `preparing`: being handed over; a claim found in this state belongs to a live run or to one that died.
 * - `held`: the owner may use the devices.
 * - `restoring`: being given back.
 * - `incomplete`: some originals are not back; `leftovers` says which.
 * - `stuck`: a kernel write did not return.
 */
export type ClaimState = (typeof claimStates)[number];

/** Every {@link ClaimState}. */
export const claimStates = ['preparing', 'held', 'restoring', 'incomplete', 'stuck'] as const;

/** One device of a claim. */
export interface ClaimedDevice {
  readonly address: PciAddress;
  readonly group: number;
  /** Ids, to notice that another card sits at the address. */
  readonly vendor: string;
  readonly device: string;
  /** The card whose virtual function it is. */
  readonly physicalFunction?: PciAddress;
  /** The driver that this program binds; absent when the device is held without being moved. */
  readonly driver?: string;
  /** libvirt chose it, took it from its driver and gives it back: it is only held. */
  readonly chosen?: true;
  /** It is on its way back while the claim keeps others: what `recover` gives back of a manual claim. */
  readonly returning?: true;
  readonly original: Original;
}

/** The parameter allow_unsafe_interrupts of vfio_iommu_type1, and what it was before the first claim that needs it. */
export interface UnsafeInterrupts {
  readonly original: 'N';
}

/** A BAR's size in bytes. */
export interface BarSize {
  readonly bar: number;
  readonly size: number;
}

/** What a device was like before the first change. */
export interface Original {
  /** Absent: it had no driver. */
  readonly driver?: string;
  /** Kernel module of that driver, to load it again when it is gone. */
  readonly module?: string;
  /** Absent: no override was set. */
  readonly driverOverride?: string;
  /** Sizes of the BARs that are resized for the owner. */
  readonly bars: readonly BarSize[];
  readonly powerControl?: 'auto' | 'on';
  readonly resetMethods?: readonly string[];
  /** Only where it is changed for the owner. */
  readonly d3coldAllowed?: boolean;
}

/** A kernel write that did not return before its deadline. */
export interface StuckWrite {
  /** Absent when a module is being loaded, or something is changed that is no device. */
  readonly device?: PciAddress;
  /** What the write changes, when that is held by the claim. */
  readonly hold?: HoldId;
  /** What was being done, such as `unbind 0000:03:00.1 from "snd_hda_intel"`. */
  readonly step: string;
  /** The attribute that was written. */
  readonly path: string;
  /** The process that still waits in the kernel. */
  readonly writer: ClaimProcess;
  /** The device's nodes below /dev, whose holders it may wait for: a driver that lets go takes them out of sysfs. */
  readonly nodes?: readonly string[];
}

/** Whether a device is a virtual function that goes away with the claim, or with the last that holds its card's. */
export function goesWithHolds({ physicalFunction }: ClaimedDevice, holds: readonly Hold[]): boolean {
  return holds.some(
    (hold) => hold.kind === 'vfs' && hold.key === physicalFunction && hold.original.count === 0,
  );
}

/**
 * What a claim holds for these of its devices and for none of its others: the numbers of virtual functions and the vGPUs
 * that they come from, and everything where there are no others.
 */
export function holdsFor({ devices, holds }: Claim, some: readonly ClaimedDevice[]): readonly Hold[] {
  const others = devices.filter((device) => !some.includes(device));
  if (others.length === 0) return holds;
  return holds.filter(({ kind, key }) => {
    const isOf = ({ address, physicalFunction }: ClaimedDevice): boolean =>
      (kind === 'vgpu' && key === address) || (kind === 'vfs' && key === physicalFunction);
    return some.some(isOf) && !others.some(isOf);
  });
}

/** Whether a claim concerns a device. */
export function claims(claim: Claim, address: PciAddress): boolean {
  return claim.devices.some((device) => device.address === address);
}

/** Whether the owner may use a claimed device: it is neither on its way to the owner nor on its way back. */
export function isHeld(claim: Claim, device: ClaimedDevice): boolean {
  return claim.state === 'held' || (isPartlyReturning(claim) && device.returning !== true);
}

/**
 * The devices that are to be given back once nobody works on the claim any more: all, but of a detach of
 * which only a part was on its way back, that part.
 */
export function toGiveBack(claim: Claim): readonly ClaimedDevice[] {
  return isPartlyReturning(claim)
    ? claim.devices.filter(({ returning }) => returning === true)
    : claim.devices;
}

function isPartlyReturning({ owner, devices }: Claim): boolean {
  return owner.kind === 'manual' && devices.some(({ returning }) => returning === true);
}
