import { compareWith } from './version.ts';

/** What the version of libvirt says about what it does by itself. */
export interface LibvirtFacts {
  /** It is 9.0 or later: this program was never tried with an older one. */
  readonly known: boolean;
  /** It runs the files of hooks/qemu.d: 6.5 (src/util/virhook.c:virHookCall). */
  readonly runsDropIns: boolean;
  /** It reads `<qemu:override>`, and its JSON arguments took the effect from `-set`: 8.2. */
  readonly overridesProperties: boolean;
  /** It takes a device that another vfio driver than vfio-pci has: 9.7 (src/util/virpci.c). */
  readonly acceptsVariants: boolean;
  /** It chooses such a driver by itself, and reads `<driver model='…'/>`: 10.0 (virPCIDeviceFindBestVFIOVariant). */
  readonly choosesVariants: boolean;
}

/** What is known of a libvirt by its version, such as `11.3.0`. An unknown one counts as a recent one. */
export function libvirtFacts(version: string | undefined): LibvirtFacts {
  const [major = Infinity, minor = 0] = version?.split('.').map(Number) ?? [];
  const isAtLeast = compareWith(major, minor);
  return {
    known: isAtLeast(9, 0),
    runsDropIns: isAtLeast(6, 5),
    overridesProperties: isAtLeast(8, 2),
    acceptsVariants: isAtLeast(9, 7),
    choosesVariants: isAtLeast(10, 0),
  };
}
