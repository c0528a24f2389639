import { slotOf, type PciAddress } from '../pci/address.ts';
import { pciPath } from '../pci/cliques.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Host } from '../host/host.ts';

/**
 * Which of these devices are parts of one card: a name for each, the same for functions that are. One card are the
 * functions of a slot, and what is behind a switch that is on the card itself, where graphics and sound may sit in two
 * slots (Intel Arc). Such a switch has its maker's vendor, as the functions behind it have; one of another vendor is the
 * board's, and two cards behind it have nothing to do with each other. In doubt more is one card, and not
 * less: all of them where the kernel does not tell.
 */
export function cardsOf(host: Host, devices: readonly PciAddress[]): (device: PciAddress) => string {
  const slots = new Map<string, PciAddress[]>();
  for (const device of devices) {
    const slot = slotOf(device);
    slots.set(slot, [...(slots.get(slot) ?? []), device]);
  }
  // A single card needs no look at the bridges.
  if (slots.size < 2) return () => '';
  try {
    const names = new Map([...slots].map(([slot, functions]) => [slot, ownSwitch(host, functions) ?? slot]));
    return (device) => names.get(slotOf(device)) ?? slotOf(device);
  } catch {
    return () => '';
  }
}

/** The upstream port of the switch that is part of the card, if there is one: as far up as the vendor is the functions'. */
function ownSwitch(host: Host, functions: readonly PciAddress[]): PciAddress | undefined {
  const vendorOf = (address: PciAddress): string | undefined =>
    host.read(sysfs.attribute(address, 'vendor'))?.trim();
  const bridges = functions.slice(0, 1).flatMap((device) => {
    const target = host.readLink(sysfs.device(device));
    // The bridge at the root bus is the board's, whoever made it.
    return target === undefined ? [] : pciPath(device, target).bridges.slice(1).reverse();
  });
  if (bridges.length === 0) return undefined;
  const makers = new Set(functions.map(vendorOf));
  const foreign = bridges.findIndex((bridge) => !makers.has(vendorOf(bridge)));
  return (foreign < 0 ? bridges : bridges.slice(0, foreign)).at(-1);
}
