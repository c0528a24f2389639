import type { Hint } from '../hint.ts';
import type { PciAddress } from './address.ts';

/** Why the host needs a device. These are the words of `allow` in the configuration. */
export type UseReason = (typeof useReasons)[number];

/** Each {@link UseReason}, and what is said of it where words are listed. */
export const useWords = {
  'root-disk':
    'The running system itself is on it: the root file system, or one of those that it cannot go on without',
  mounted: 'A file system is mounted from it, also through partitions, dm, LUKS, LVM, md, bcache or ZFS',
  swap: 'The host swaps to it',
  'disk-in-use': 'One of its disks cannot be opened exclusively: something else has claimed it',
  'default-route': 'The default route leads through it',
  ssh: 'A session of ssh comes in through it',
  'bridge-port': 'It is a port of a bridge, a bond or a team, and has a carrier',
  'boot-vga': 'Firmware chose it as the primary display at boot',
  console: 'The text console is on it',
  held: 'Processes have its device nodes open',
  'last-keyboard': 'Every keyboard of the host is behind it',
} as const;

/** Every {@link UseReason}. */
export const useReasons = Object.keys(useWords) as readonly (keyof typeof useWords)[];

/**
 * The reasons that a message may offer as a word for `allow`. Taking the disk that the host runs from ends the host:
 * its word stands in the documentation, for whoever has looked for it, and in no hint.
 */
export const offeredReasons: readonly UseReason[] = useReasons.filter((reason) => reason !== 'root-disk');

/** One thing on the host that needs a device. Plain data, as it was when the snapshot was taken. */
export interface DeviceUse {
  readonly device: PciAddress;
  readonly reason: UseReason;
  /** The exact thing, as a sentence without a capital and a period: `/dev/nvme0n1p2 is mounted at /home`. */
  readonly detail: string;
  /** What to do about it, one sentence or command each. */
  readonly hints: readonly Hint[];
  /** It ends by itself as soon as the device leaves its driver, so that it keeps nobody from the device. */
  readonly yields?: true;
  /**
   * What ends everything that keeps it: for each of those processes the units of systemd, by the keys of src/pci/unit.ts, of
   * which one has to be stopped. Absent where that would not be enough.
   */
  readonly units?: readonly (readonly string[])[];
  /** The modules of the kernel that are all that keeps it, each of which lets go of it when it is unloaded. */
  readonly modules?: readonly string[];
  /** False: no hint offers to allow it, since what came of that is worse than no guest. It can be allowed all the same. */
  readonly offered?: false;
}
