import { hexAttribute } from '../observe/hex-attribute.ts';
import type { Host } from '../host/host.ts';
import { slotFunctions } from '../observe/slot-functions.ts';
import { presentGroups } from '../observe/take-snapshot.ts';
import { comparePciAddresses, parsePciAddress, slotOf, type PciAddress } from '../pci/address.ts';
import { isBridgeClass, isDisplay } from '../pci/class.ts';
import { sysfs } from '../pci/sysfs.ts';

/** What a device is, as far as devices are selected by it. */
export interface Identity {
  readonly address: PciAddress;
  readonly vendor: string;
  readonly device: string;
  readonly class: string;
}

/** Every device of the host. */
export function identities(host: Host): Identity[] {
  return (host.list(sysfs.devices) ?? []).flatMap((name) => {
    const address = parsePciAddress(name);
    return address ? [identityOf(host, address)] : [];
  });
}

/** Only attributes that the kernel answers at once; empty texts for a device that is not there. */
export function identityOf(host: Host, address: PciAddress): Identity {
  const text = (attribute: string): string => hexAttribute(host, address, attribute) ?? '';
  return { address, vendor: text('vendor'), device: text('device'), class: text('class') };
}

/** Whether a device is part of a graphics card: in its slot and of its vendor. An APU has functions of another one beside it. */
export function isPartOf(card: Identity, { address, vendor, class: code }: Identity): boolean {
  return slotOf(address) === slotOf(card.address) && vendor === card.vendor && !isBridgeClass(code);
}

/**
 * The other functions of the graphics cards among devices, in IOMMU groups of their own, themselves no graphics.
 * What is in a group of the devices comes with them in any case.
 */
export function companionsOf(host: Host, devices: readonly PciAddress[]): readonly PciAddress[] {
  const cards = devices
    .map((address) => identityOf(host, address))
    .filter(({ class: code }) => isDisplay(code));
  const own = presentGroups(host, devices);
  const found = cards.flatMap((card) =>
    slotFunctions(host, card.address).filter((address) => {
      const other = identityOf(host, address);
      return (
        isPartOf(card, other) &&
        !isDisplay(other.class) &&
        presentGroups(host, [address]).some((group) => !own.includes(group))
      );
    }),
  );
  return found.sort(comparePciAddresses);
}
