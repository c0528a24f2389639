import { parsePciAddress, type PciAddress } from '../../pci/address.ts';

/** What a network card keeps for a virtual function, and `ip link set dev CARD vf N` sets, by the words of ip(8). */
export const vfSettings = ['vlan', 'spoofchk', 'trust', 'state', 'max_tx_rate'] as const;

export type VfSetting = (typeof vfSettings)[number];

/** A virtual function by its card and its number, which is that of its link `virtfnN`. */
export interface VfId {
  readonly card: PciAddress;
  readonly vf: number;
}

/** The key of what is set of a virtual function: `0000:02:00.0 1 vlan`. */
export function vfKey({ card, vf }: VfId, setting: VfSetting): string {
  return `${card} ${vf} ${setting}`;
}

/** The key of a virtual function's address: `0000:02:00.0 1`. */
export function vfMacKey({ card, vf }: VfId): string {
  return `${card} ${vf}`;
}

/** What a key of either form says. A key is checked when it is read back (src/claim/hold-form.ts). */
export function vfOf(key: string): VfId & { readonly setting: string } {
  const [address = '', vf = '', setting = 'mac'] = key.split(' ');
  return { card: cardOf(address), vf: Number(vf), setting };
}

/** The card that a key begins with. */
export function cardOf(key: string): PciAddress {
  const address = parsePciAddress(key.split(' ')[0] ?? '');
  if (!address) throw new Error(`${JSON.stringify(key)} begins with no PCI address`);
  return address;
}
