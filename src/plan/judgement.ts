import type { Claim, ClaimedDevice, ClaimOwner } from '../claim/claim.ts';
import type { BetweenEntry } from '../config/config.ts';
import type { PciHostdev } from '../domain/domain.ts';
import type { Hint } from '../hint.ts';
import type { PciDevice } from '../pci/device.ts';
import type { DeviceUse, UseReason } from '../pci/use.ts';
import type { BarChange } from './bars.ts';
import type { Between, ScriptFinder } from './between.ts';
import type { Pins } from './pins.ts';
import type { LeaveCode, RefuseCode, RefuseVerdict, Verdict } from './verdict.ts';

/** What is known about one device when its verdict is given. */
export interface Case {
  readonly device: PciDevice;
  /** `functions`: a device that only shares the group is none of our business. */
  readonly scope: 'groups' | 'functions';
  /** For whom it is. */
  readonly for: ClaimOwner['kind'];
  /** How the XML or the command line assigns it; absent for a device that only shares the group. */
  readonly hostdev?: PciHostdev | undefined;
  readonly rule: DeviceWishes;
  /** The name of the guest that it is for; absent: for whatever is no guest. */
  readonly guest?: string | undefined;
  /** The start is past the hand-over: libvirt has chosen a device since, which is claimed beside what the guest has. */
  readonly hasBegun?: boolean;
  /** Looks for scripts of that guest; absent: they are taken to be there. */
  readonly findScript?: ScriptFinder | undefined;
  /** What this guest's earlier, unfinished claim says of the device. */
  readonly earlier?: ClaimedDevice | undefined;
  /** Who has which of its virtual functions: `guest "a" has 0000:02:10.0`. */
  readonly functionUsers: readonly string[];
  /** The claim on it of another guest, or of `vfio-hook run`. */
  readonly rival?: Claim | undefined;
  /** The mediated devices that were made of it, each with who has it; absent: none. */
  readonly mdevs?: readonly MdevUse[];
  /** What the host uses it for. */
  readonly uses: readonly DeviceUse[];
  /** The claim of the `vfio-hook detach` that has put it where it is. */
  readonly detached?: Claim | undefined;
}

/** A mediated device, and the claim that holds it; absent: nobody's that is known. */
export interface MdevUse {
  readonly uuid: string;
  readonly claim?: Claim | undefined;
}

/** What the configuration asks for a device. */
export interface DeviceWishes {
  /** Sizes in bytes by BAR index. */
  readonly bars: ReadonlyMap<number, number>;
  readonly driver?: string;
  /** The kernel's names of reset methods, in the order in which they are tried; empty: it is not reset. */
  readonly reset?: readonly string[];
  readonly power?: 'on' | 'auto';
  readonly d3cold?: boolean;
  /** What is done to it between its unbind and its bind, in order. */
  readonly between?: readonly BetweenEntry[];
  /** What the device may be taken from although the host uses it for that. */
  readonly allow?: readonly UseReason[];
}

/** A verdict, and what changes with it. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly bars: readonly BarChange[];
  /** Absent: nothing. */
  readonly pins?: Pins;
  /** What is done to it between its unbind and its bind; absent: nothing. */
  readonly between?: readonly Between[];
}

/** It stays where it is. */
export function leave(current: Case, code: LeaveCode, reason: string): Judgement {
  const { device, hostdev } = current;
  return {
    verdict: { kind: 'leave', device: device.address, code, assigned: hostdev !== undefined, reason },
    bars: [],
  };
}

/** The start is refused for it. */
export function refuse(
  current: Case,
  code: RefuseCode,
  reason: string,
  hints: readonly Hint[],
): Judgement & { readonly verdict: RefuseVerdict } {
  const { device, hostdev } = current;
  return {
    verdict: { kind: 'refuse', device: device.address, code, assigned: hostdev !== undefined, reason, hints },
    bars: [],
  };
}
