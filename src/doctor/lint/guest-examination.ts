import { pciHostdevs } from '../../domain/domain.ts';
import { readDevice } from '../../observe/read-device.ts';
import { parsePciAddress, slotOf, type PciAddress } from '../../pci/address.ts';
import type { PciDevice } from '../../pci/device.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { Examination, GuestExamination, GuestXml } from '../examination.ts';

/** What the host knows of a guest's devices. Attributes that a device's lock guards are not read. */
export function guestExamination(on: Examination, xml: GuestXml): GuestExamination {
  const assigned = pciHostdevs(xml.domain).map(({ address }) => address);
  const read = (address: PciAddress): PciDevice | undefined => readDevice(on.host, address, new Map());
  const devices = new Map(
    assigned.flatMap((address): [PciAddress, PciDevice][] => {
      const device = read(address);
      return device ? [[address, device]] : [];
    }),
  );
  const cards = new Set([...devices.keys()].map(slotOf));
  const groups = new Set([...devices.values()].flatMap(({ iommuGroup }) => iommuGroup ?? []));
  const members = [...groups].flatMap((group) => on.host.list(sysfs.groupDevices(group)) ?? []);
  const companions = (on.host.list(sysfs.devices) ?? []).flatMap((name) => {
    const address = parsePciAddress(name);
    if (!address || assigned.includes(address)) return [];
    return cards.has(slotOf(address)) || members.includes(name) ? (read(address) ?? []) : [];
  });
  return { ...on, ...xml, devices, companions };
}
