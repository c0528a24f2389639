import { compareWith } from './version.ts';

/** What the version of a running kernel says about how far it can be trusted with devices. */
export interface KernelFacts {
  /** It is 5.15 or later: this program was never tried with an older one. */
  readonly known: boolean;
  /**
   * No host driver binds to a member of a group that a guest has, and a bridge's driver counts as one unless it
   * manages no DMA of its own. Before 5.19 such a bind is a BUG and ends the host, and any bridge may stay
   * (drivers/base/platform.c and drivers/pci/pci-driver.c:pci_dma_configure; before,
   * drivers/vfio/vfio.c:vfio_iommu_group_notifier).
   */
  readonly guardsGroups: boolean;
  /** It has `resourceN_resize`: 6.1 (commit 91fa127794ac). */
  readonly resizesBars: boolean;
  /** A vfio driver that takes a VGA device takes the frame buffer of the firmware away until the next boot: 6.1. */
  readonly evictsFirmware: boolean;
  /** A BAR size that does not fit leaves every BAR as it was: commit 337b1b566db0. */
  readonly restoresBars: boolean;
}

/**
 * The stable kernels that first have commit 337b1b566db0 ("PCI: Fix restoring BARs on BAR resize rollback path"),
 * each by its series: of July 2026. 6.19 came with it. The series in between have ended without it.
 */
const RESTORES_SINCE: ReadonlyMap<string, number> = new Map([
  ['6.1', 178],
  ['6.6', 145],
  ['6.12', 97],
  ['6.18', 40],
]);

/**
 * What is known of a kernel by its release, such as `6.12.107+deb13-amd64`. Debian 12 and Ubuntu write another
 * number in place of the third one: theirs is in `banner`, the text of /proc/version (`Debian 6.1.178-1`) and
 * /proc/version_signature, as far as there is one.
 */
export function kernelFacts(release: string, banner = ''): KernelFacts {
  const [major = 0, minor = 0, patch = 0] = numbers(release);
  const isAtLeast = compareWith(major, minor);
  const since = RESTORES_SINCE.get(`${major}.${minor}`) ?? Infinity;
  const patches = (banner.match(/\b\d+\.\d+\.\d+/g) ?? [])
    .map(numbers)
    .flatMap(([first, second, third = 0]) => (first === major && second === minor ? [third] : []));
  return {
    known: isAtLeast(5, 15),
    guardsGroups: isAtLeast(5, 19),
    resizesBars: isAtLeast(6, 1),
    evictsFirmware: isAtLeast(6, 1),
    restoresBars: isAtLeast(6, 19) || Math.max(patch, ...patches) >= since,
  };
}

function numbers(text: string): number[] {
  return text.split('.').map((part) => parseInt(part, 10) || 0);
}

/** The kernels that restore BARs, in words. */
export const restoringKernels = `6.19, or ${[...RESTORES_SINCE].map(([series, patch]) => `${series}.${patch}`).join(', ')} of its series`;
