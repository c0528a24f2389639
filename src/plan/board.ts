import { advice, type Hint } from '../hint.ts';
import { slotOf } from '../pci/address.ts';
import { isBridgeClass, isSystemClass } from '../pci/class.ts';
import type { PciDevice } from '../pci/device.ts';
import { kernelFacts } from '../pci/kernel-facts.ts';
import type { Snapshot } from '../pci/snapshot.ts';
import { isStub } from '../pci/stub.ts';

/**
 * Which bridges leave a group viable: where the kernel guards groups those whose driver manages no DMA of its own,
 * that is pcieport (drivers/pci/pcie/portdrv.c, driver_managed_dma), and those without a driver; before, any.
 */
export function bridgeMayStay(device: PciDevice, snapshot: Snapshot): boolean {
  if (device.driver === undefined || device.driver === 'pcieport' || isStub(device.driver) || device.onVfio)
    return true;
  return !kernelFacts(snapshot.kernelRelease).guardsGroups;
}

/**
 * Functions that the board needs and no guest can use. An "other" bridge (0680) that is asked for is let
 * through: NVSwitch, which guests do get, carries that class.
 */
export function isChipsetFunction(device: PciDevice, asked: boolean): boolean {
  if (isSystemClass(device.class)) return true;
  return isBridgeClass(device.class) && !(asked && device.class.startsWith('0680'));
}

/** A card can be moved; functions of the chipset's own slot stay together whatever is plugged in where. */
export function slotHint(device: PciDevice, { devices }: Snapshot): Hint {
  const isPluggedIn = ({ address, headerType, iommuGroup }: PciDevice): boolean =>
    headerType === 'endpoint' &&
    iommuGroup === device.iommuGroup &&
    slotOf(address) !== slotOf(device.address);
  return devices.some(isPluggedIn)
    ? advice('move the card to another slot, so that it gets another IOMMU group')
    : advice(
        'all of this group is one part of the chipset, and no slot changes that: give the guest another device',
      );
}
