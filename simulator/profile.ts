import type { KernelVersion, ResizeRollback } from './spec.ts';

/** Where the kernels differ; everything else is the same from Linux 5.15 to 7.2. */
export interface Profile {
  /** Text of /proc/sys/kernel/osrelease. */
  readonly release: string;
  /** Reading and writing `driver_override` and `uevent` takes the device's lock (driver_set_override before 6.12). */
  readonly lockedOverride: boolean;
  /**
   * What binding a native driver to a member of a group that a guest owns does: EBUSY from
   * iommu_device_use_default_domain (5.19 and later), BUG_ON in vfio_iommu_group_notifier before.
   */
  readonly nativeBindIntoOwnedGroup: 'EBUSY' | 'BUG';
  /** Writing a group's `type` while it is in use. */
  readonly groupTypeInUse: 'EINVAL' | 'EPERM';
  /** Whether devices found by a rescan respect drivers_autoprobe (pci_bus_add_device). */
  readonly autoprobeCoversHotAdd: boolean;
  /** `none`: there are no resourceN_resize files. */
  readonly resize: 'none' | ResizeRollback;
  /** A resize while a BAR of a sibling keeps the window in its place; Linux 6.1 does not even try, whatever the size. */
  readonly resizeBesideSibling: 'ENOENT' | 'ENOSPC';
  /** When vfio-pci looks at its parameter disable_idle_d3. */
  readonly idleD3Read: 'load' | 'bind';
  /** What `power_state` says of a device that has left its driver awake (pci_device_remove; 6.12 until 6.12.107: unknown). */
  readonly powerStateAfterDriver: 'unknown' | 'D0';
  /** Whether devices on a vfio driver have a `vfio-dev` directory. */
  readonly vfioDev: boolean;
  /** Whether vfio-pci and a resize evict the boot console of a VGA device (aperture_remove_conflicting_pci_devices). */
  readonly evictsConsole: boolean;
  /** Whether a firmware frame buffer without a known parent goes with any VGA device (sysfb_disable). */
  readonly evictsUnknownParent: boolean;
  /** Whether the device of the firmware's frame buffer is below its card (Linux 6.9: sysfb_parent_dev). */
  readonly firmwareBelowCard: boolean;
  /** Whether compact_memory takes nothing but 1 (mm/compaction.c:sysctl_compaction_handler, Linux 6.4 and later). */
  readonly compactsForOneOnly: boolean;
  /**
   * Whether igb hears of functions that were made while it was up. Linux 6.1 makes them before it has set itself up again
   * (igb_enable_sriov), so that it misses their first word, and whatever they say until their interface comes up.
   */
  readonly igbHearsNewFunctions: boolean;
  /** Whether the file of an interrupt that cannot be moved is read-only, and EPERM in place of EIO (Linux 6.12 and later). */
  readonly tellsFixedIrqs: boolean;
}

const profiles: Readonly<Record<KernelVersion, Profile>> = {
  '5.15': {
    release: '5.15.0-125-generic',
    lockedOverride: true,
    nativeBindIntoOwnedGroup: 'BUG',
    groupTypeInUse: 'EINVAL',
    autoprobeCoversHotAdd: false,
    resize: 'none',
    resizeBesideSibling: 'ENOENT',
    idleD3Read: 'load',
    powerStateAfterDriver: 'unknown',
    vfioDev: false,
    evictsConsole: false,
    evictsUnknownParent: false,
    firmwareBelowCard: false,
    compactsForOneOnly: false,
    igbHearsNewFunctions: false,
    tellsFixedIrqs: false,
  },
  '6.1': {
    release: '6.1.0-38-amd64',
    lockedOverride: true,
    nativeBindIntoOwnedGroup: 'EBUSY',
    groupTypeInUse: 'EINVAL',
    autoprobeCoversHotAdd: false,
    resize: 'weak',
    resizeBesideSibling: 'ENOENT',
    idleD3Read: 'load',
    powerStateAfterDriver: 'unknown',
    vfioDev: true,
    evictsConsole: true,
    evictsUnknownParent: false,
    firmwareBelowCard: false,
    compactsForOneOnly: false,
    igbHearsNewFunctions: false,
    tellsFixedIrqs: false,
  },
  '6.12': {
    release: '6.12.117+deb13-amd64',
    lockedOverride: false,
    nativeBindIntoOwnedGroup: 'EBUSY',
    groupTypeInUse: 'EPERM',
    autoprobeCoversHotAdd: false,
    resize: 'weak',
    resizeBesideSibling: 'ENOSPC',
    idleD3Read: 'load',
    powerStateAfterDriver: 'D0',
    vfioDev: true,
    evictsConsole: true,
    evictsUnknownParent: true,
    firmwareBelowCard: true,
    compactsForOneOnly: true,
    igbHearsNewFunctions: true,
    tellsFixedIrqs: true,
  },
  '7.2': {
    release: '7.2.13+deb14-amd64',
    lockedOverride: false,
    nativeBindIntoOwnedGroup: 'EBUSY',
    groupTypeInUse: 'EPERM',
    autoprobeCoversHotAdd: true,
    resize: 'full',
    resizeBesideSibling: 'ENOSPC',
    idleD3Read: 'bind',
    powerStateAfterDriver: 'D0',
    vfioDev: true,
    evictsConsole: true,
    evictsUnknownParent: true,
    firmwareBelowCard: true,
    compactsForOneOnly: true,
    igbHearsNewFunctions: true,
    tellsFixedIrqs: true,
  },
};

/** What a kernel version does. */
export function profileOf(kernel: KernelVersion): Profile {
  return profiles[kernel];
}
