import * as v from 'valibot';

/**
 * What a description says is on a disk, a partition or a volume:
 *
 * - `/home`: a file system, mounted there; `swap`: swap space; null: nothing that is in use;
 * - `{ luks: cryptroot, holds: … }`, also lvm (`vg0-home`), multipath, md (`md0`) and bcache (`bcache0`): a volume,
 *   and what is on it, one or several. A volume that several name is made of all of them;
 * - `{ btrfs: data, mount: /data }`, `{ zfs: tank, mount: /tank }`: a member of a file system or a pool on several
 *   disks. Without `mount` it is in use, but mounted nowhere that this description says.
 */
export type DiskUse = string | null | Volume | Member;

type Volume = { readonly holds?: DiskUse | readonly DiskUse[] | undefined } & (
  | { readonly luks: string }
  | { readonly lvm: string }
  | { readonly multipath: string }
  | { readonly md: string; readonly level?: string | undefined }
  | { readonly bcache: string }
);

type Member = { readonly mount?: string | undefined } & (
  { readonly btrfs: string } | { readonly zfs: string }
);

const name = v.pipe(v.string(), v.minLength(1));
const WHAT =
  'null, a mount point, swap, or one of luks, lvm, multipath, md, bcache, btrfs and zfs with its name';
const use: v.GenericSchema<DiskUse> = v.lazy(() =>
  v.union(
    [
      v.null(),
      v.string(),
      v.strictObject({ luks: name, holds }),
      v.strictObject({ lvm: name, holds }),
      v.strictObject({ multipath: name, holds }),
      v.strictObject({ md: matching(/^md\d+$/, 'md0'), level: v.optional(name), holds }),
      v.strictObject({ bcache: matching(/^bcache\d+$/, 'bcache0'), holds }),
      v.strictObject({ btrfs: name, mount: v.optional(name) }),
      v.strictObject({ zfs: name, mount: v.optional(name) }),
    ],
    WHAT,
  ),
);
/** One of them or several. */
const uses = v.union([v.array(use), use], WHAT);
const holds = v.optional(uses);

/** A disk of a device. */
export const diskSchema = v.strictObject({
  /** Name of the whole disk, such as nvme0n1 or sda. */
  name: matching(/^(?:nvme\d+n\d+|[sv]d[a-z]|mmcblk\d+)$/, 'nvme0n1, sda, vda or mmcblk0'),
  /** What is on its partitions, or on the disk itself. */
  partitions: v.optional(v.record(v.string(), uses), {}),
  /** Port of the USB controller that it is plugged into, such as 1-4. */
  usb: v.optional(matching(/^\d+-\d+$/, '1-4')),
  /**
   * Name of this controller (nvme1), when the disk is a namespace that several controllers reach; all of them
   * name the disk, and one says what is on it.
   */
  multipath: v.optional(matching(/^nvme\d+$/, 'nvme1')),
});

export type DiskDescription = v.InferOutput<typeof diskSchema>;

function matching(pattern: RegExp, example: string): v.GenericSchema<string> {
  return v.pipe(v.string(), v.regex(pattern, `a name such as ${example}`));
}
