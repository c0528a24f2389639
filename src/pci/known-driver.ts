import { isStub } from './stub.ts';
import { isVfioName } from './vfio-name.ts';

/**
 * What a driver is to a guest.
 *
 * - `vfio`: one that hands devices to guests: vfio-pci, its variants by name, and what a `vfio_pci:` line offers.
 * - `stub`: one that only keeps a device from the host.
 * - `host`: one that takes devices for the host by itself: its module has `pci:` lines, or it is part of the kernel.
 * - `other`: one that takes nothing by itself and that nothing says is VFIO's: its devices may reach a guest or not.
 * - `missing`: neither registered nor a module of this kernel.
 */
export type DriverKind = 'vfio' | 'stub' | 'host' | 'other' | 'missing';

/** A driver that somebody asks for by name, and what this kernel knows of it. */
export interface KnownDriver {
  /** As it was asked for. */
  readonly name: string;
  readonly kind: DriverKind;
  /** Its module as depmod writes it, with underscores; absent for one that is part of the kernel or missing. */
  readonly module?: string;
}

/** What can be read of a driver. */
export interface DriverFacts {
  readonly name: string;
  readonly registered: boolean;
  readonly module?: string;
  /** Whether a `vfio_pci:` line names its module. */
  readonly offered: boolean;
  /** Whether a `pci:` line names its module. */
  readonly servesHost: boolean;
}

/** Judges a driver by what can be read of it. */
export function kindOfDriver({ name, registered, module, offered, servesHost }: DriverFacts): DriverKind {
  if (!registered && module === undefined) return 'missing';
  if (offered || isVfioName(name)) return 'vfio';
  if (isStub(name.replaceAll('_', '-'))) return 'stub';
  return servesHost || module === undefined ? 'host' : 'other';
}
