import { driverOf, type Device, type MachineState, type VfSettings } from './state.ts';
import { vfsOf } from './sriov.ts';

/** The address that stands for none. */
export const NO_MAC = '00:00:00:00:00:00';

/** What a card keeps for virtual functions that are new (drivers/net/ethernet/intel/igb/igb_main.c:igb_vf_configure). */
export function newVfSettings(count: number): VfSettings[] {
  return Array.from({ length: count }, () => ({
    mac: NO_MAC,
    macIsSet: false,
    vlan: 0,
    qos: 0,
    spoofchk: true,
    trust: false,
    state: 'auto',
    maxTxRate: 0,
  }));
}

/** The card that keeps settings for a virtual function, and these. */
export function settingsOf(
  state: MachineState,
  vf: Device,
): { readonly card: Device; readonly settings: VfSettings } | undefined {
  const card = state.devices[vf.spec.physicalFunction ?? ''];
  const index = card ? vfsOf(state, card).indexOf(vf) : -1;
  const settings = card?.vfSettings?.[index];
  return card && settings && { card, settings };
}

/**
 * A driver of the host has taken a virtual function of a network card: it asks the card for its address, and invents one
 * where there is none, which the card then shows as well while its own interface is up
 * (drivers/net/ethernet/intel/igbvf/netdev.c:igbvf_probe; igb_main.c:igb_vf_reset_msg).
 */
export function vfInterfaceUp(state: MachineState, vf: Device): void {
  const found = driverOf(state, vf)?.spec.dma === 'native' ? settingsOf(state, vf) : undefined;
  if (!found) return;
  const { card, settings } = found;
  vf.mac = settings.mac === NO_MAC ? randomMac(state) : settings.mac;
  if (card.spec.sriov?.net?.up === true && !settings.macIsSet) settings.mac = vf.mac;
}

/** Name of the interface that a driver of the host makes of a virtual function: enp2s0f0v1. */
export function vfInterface(state: MachineState, vf: Device): string | undefined {
  const card = state.devices[vf.spec.physicalFunction ?? ''];
  const name = card?.spec.sriov?.net?.interface;
  return card && name !== undefined && vf.mac !== undefined
    ? `${name}v${vfsOf(state, card).indexOf(vf)}`
    : undefined;
}

/** Text files of an interface of a virtual function, below its device's directory. */
export function vfInterfaceFiles(state: MachineState, vf: Device): Record<string, string> {
  const name = vfInterface(state, vf);
  if (name === undefined) return {};
  return {
    [`net/${name}/address`]: `${vf.mac ?? NO_MAC}\n`,
    [`net/${name}/operstate`]: 'down\n',
    [`net/${name}/flags`]: '0x1002\n',
    [`net/${name}/carrier`]: '! EINVAL',
  };
}

/** Locally administered, and never the same twice. */
function randomMac(state: MachineState): string {
  const number = (state.next.uid += 1);
  const byte = (shift: number): string => ((number >> shift) & 0xff).toString(16).padStart(2, '0');
  return `6a:0e:5c:${byte(16)}:${byte(8)}:${byte(0)}`;
}
