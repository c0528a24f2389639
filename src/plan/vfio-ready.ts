import { advice, command, type Hint } from '../hint.ts';
import type { ClaimOwner } from '../claim/claim.ts';
import type { PciAddress } from '../pci/address.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { VfioState } from '../pci/vfio-state.ts';
import type { RefuseCode } from './verdict.ts';

/** Something of the whole host that keeps every guest from having a device. */
export interface NotReady {
  readonly code: Extract<RefuseCode, 'interrupts' | 'vfio'>;
  readonly reason: string;
  readonly hints: readonly Hint[];
}

/** What SET_IOMMU fails with (drivers/vfio/vfio_iommu_type1.c:vfio_iommu_type1_attach_group). */
export const NOT_REMAPPED =
  'interrupts are not remapped; without it VFIO refuses every guest (vfio_iommu_type1 answers EPERM)';

/** What is about to use VFIO. */
export interface VfioNeed {
  /** A detach only binds the driver: whether a guest could use the device is not asked. */
  readonly for: ClaimOwner['kind'];
  /** Whether vfio-pci itself is needed, not only a driver made for the device. */
  readonly generalDriver: boolean;
  /** Who wants guests to start without interrupt remapping: the configuration, other guests by their claims. */
  readonly unsafeInterrupts?: { readonly allowed: boolean; readonly ours: boolean };
}

/**
 * What keeps QEMU from starting any guest with a device, judged once for the hook, the dry run and the doctor.
 * Undefined when nothing does, or when it cannot be told.
 */
export function notReady(state: VfioState, release: string, need: VfioNeed): NotReady | undefined {
  const absent = [
    ...(need.generalDriver && state.driver === 'missing' ? ['vfio-pci'] : []),
    ...(need.for !== 'manual' && state.backEnd === 'missing' ? ['vfio-iommu-type1'] : []),
  ];
  if (absent.length > 0) return missing(absent, release);
  if (need.for === 'manual') return undefined;
  if (state.interrupts === 'not-remapped' && !mayBeUnsafe(state, need)) {
    return {
      code: 'interrupts',
      reason: NOT_REMAPPED,
      hints: [command('vfio-hook doctor')],
    };
  }
  return undefined;
}

/** The configuration allows it, or an administrator has: what is on for another guest, which it was allowed, is no consent. */
function mayBeUnsafe(
  { unsafeInterrupts: isOn }: VfioState,
  { unsafeInterrupts: by = { allowed: false, ours: false } }: VfioNeed,
): boolean {
  return by.allowed || (isOn === true && !by.ours);
}

function missing(modules: readonly string[], release: string): NotReady {
  return {
    code: 'vfio',
    reason: `kernel ${release} has no module ${modules.join(' and ')}`,
    hints: [
      advice(
        'install the package with all modules of this kernel (linux-modules-extra, kernel-modules), or a kernel with VFIO; after an update of the kernel, restart the host',
      ),
    ],
  };
}

/** A card that does not answer, as a person is told. */
export const SILENT =
  'it answers every read with ones: it is asleep in D3cold without waking up, or fell off the bus after a reset';

/** What may bring such a card back. */
export function silentHints(device: PciAddress): readonly Hint[] {
  return [
    command(`echo 1 > ${sysfs.attribute(device, 'remove')}; echo 1 > /sys/bus/pci/rescan`),
    advice('when it does not come back, switch the host off and on; a restart is not enough'),
  ];
}
