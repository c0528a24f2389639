import type { ClaimOwner } from '../claim/claim.ts';
import { advice, type Hint } from '../hint.ts';
import { libvirtFacts } from '../pci/libvirt-facts.ts';
import type { PciDevice } from '../pci/device.ts';
import type { KnownDriver } from '../pci/known-driver.ts';
import { bestVfioAlias } from '../pci/modalias.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import { isVfioName } from '../pci/vfio-name.ts';
import type { LoadModule } from '../steps/step.ts';

/** The general vfio driver for PCI devices. */
export const VFIO_PCI = 'vfio-pci';

/** What asks for a certain driver, strongest first. */
export interface DriverWishes {
  /** The configuration's `driver:`. */
  readonly configured?: string | undefined;
  /** The XML's `<driver model='…'/>`. */
  readonly model?: string | undefined;
}

/**
 * The driver to bind a device to, by libvirt's own rule so that libvirt does not bind it a second time: what
 * is asked for; else, with a libvirt that chooses by itself, the best `vfio_pci:` alias of modules.alias; else vfio-pci
 * (src/util/virpci.c:virPCIDeviceFindBestVFIOVariant).
 */
export function chooseDriver(device: PciDevice, snapshot: Snapshot, wishes: DriverWishes): string {
  const wished = wishes.configured ?? wishes.model;
  if (wished !== undefined) return registeredName(wished, snapshot);
  const { choosesVariants } = libvirtFacts(snapshot.libvirtVersion);
  const alias = choosesVariants ? bestVfioAlias(device.modalias, snapshot.variants) : undefined;
  return alias ? registeredName(alias.module, snapshot) : VFIO_PCI;
}

/** Loads a driver that a device had, or that was asked for: whoever blacklists a vfio driver means it. */
export function loadDriver(module: string, driver: string): LoadModule {
  return { kind: 'load-module', module, driver, blacklist: isVfioName(driver) ? 'obeyed' : 'overruled' };
}

/**
 * A driver's name for a module's or driver's name written with `-` or `_`: modprobe takes both, the kernel's
 * driver directory only one. A driver that is not registered yet has the name of its module (KBUILD_MODNAME), except
 * that module vfio_pci registers vfio-pci.
 */
export function registeredName(name: string, snapshot: Snapshot): string {
  const dashed = name.replaceAll('_', '-');
  const underscored = name.replaceAll('-', '_');
  const registered = [name, underscored, dashed].find((form) => snapshot.drivers.includes(form));
  if (registered !== undefined) return registered;
  return dashed === VFIO_PCI ? VFIO_PCI : (snapshot.asked.find((each) => each.name === name)?.module ?? name);
}

/** What a driver is asked for. */
export interface DriverUse {
  readonly for: ClaimOwner['kind'];
  /** Whether the device itself is assigned; otherwise it only shares the group. */
  readonly assigned: boolean;
}

/**
 * Why a device must not be bound to a driver that the configuration or the command line names; undefined when it may
 * be. A driver of the host does with the device what the host wants, while a guest waits for it; `detach` refuses it,
 * too, for what it does is take devices from the host. A stub is for what shares a group, and for `detach`.
 */
export function driverRefusal(
  { name, kind }: KnownDriver,
  { for: owner, assigned }: DriverUse,
): { readonly reason: string; readonly hint: Hint } | undefined {
  const leaveOut =
    owner === 'guest'
      ? advice(`take driver: ${name} out of the configuration; vfio-hook validate says where it is`)
      : advice('name another driver, or none');
  switch (kind) {
    case 'host':
      return {
        reason: `"${name}" is a driver of the host: with it no guest can use the device`,
        hint:
          owner === 'manual' ? advice(`to give a device to ${name}: vfio-hook reattach --driver`) : leaveOut,
      };
    case 'missing':
      return {
        reason: `there is no driver "${name}": it is not registered, and this kernel has no module of that name`,
        hint: leaveOut,
      };
    case 'stub':
      if (!assigned || owner === 'manual') return undefined;
      return {
        reason: `"${name}" only keeps a device from the host: no guest can use it`,
        hint: leaveOut,
      };
    case 'vfio':
    case 'other':
      return undefined;
  }
}

/** What it means for a guest that a driver is no vfio driver of this kernel; undefined when there is nothing to say. */
export function driverNote({ name, kind }: KnownDriver): string | undefined {
  switch (kind) {
    case 'other':
      return `"${name}" is no vfio driver that this kernel announces (modules.alias): a guest starts only if that driver hands the device to VFIO`;
    case 'stub':
      return `"${name}" keeps the device from the host and from guests: a guest that is assigned the device cannot start`;
    case 'vfio':
    case 'host':
    case 'missing':
      return undefined;
  }
}
