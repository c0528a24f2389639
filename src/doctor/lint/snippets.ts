import type { DeviceRule } from '../../config/config.ts';
import { guestFilePath } from '../../config/guest-file.ts';
import { wholeFile } from '../../config/rule-text.ts';
import type { DeviceSettings } from '../../config/rules.ts';
import { pciAddressParts, type PciAddress } from '../../pci/address.ts';
import type { GuestExamination, GuestXml } from '../examination.ts';
import { word } from '../files.ts';
import { paste, type Hint } from '../../hint.ts';

/** A piece of XML to be pasted, and the command that opens the place. */
export function pasteXml({ domain }: GuestXml, into: string, text: string): Hint {
  return paste(`${into} (virsh edit ${word(domain.name)})`, text);
}

/** What to do so that the guest's own configuration says this of a device. */
export function pasteConfig(
  { domain, engine }: Pick<GuestExamination, 'domain' | 'engine'>,
  address: PciAddress,
  settings: Partial<DeviceSettings>,
): readonly Hint[] {
  const rule: DeviceRule = { match: { by: 'address', address }, bars: new Map(), ...settings };
  return engine.placeRules?.(domain, [rule]) ?? [wholeFile(guestFilePath(domain), [rule])];
}

/** A host device's address as the XML writes it. */
export function sourceAddress(address: PciAddress): string {
  const { domain, bus, slot, function: fn } = pciAddressParts(address);
  return `<address domain='${hex(domain, 4)}' bus='${hex(bus, 2)}' slot='${hex(slot, 2)}' function='0x${fn}'/>`;
}

/** A whole `<hostdev>`. */
export function hostdevXml(address: PciAddress, inside: readonly string[] = []): string {
  return [
    "<hostdev mode='subsystem' type='pci' managed='yes'>",
    ...inside.map((line) => `  ${line}`),
    '  <source>',
    `    ${sourceAddress(address)}`,
    '  </source>',
    '</hostdev>',
  ].join('\n');
}

/** `0x0005`. */
export function hex(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}
