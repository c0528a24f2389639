import { failedOutput, refused, succeeded, type ProgramRun } from './programs.ts';
import type { VfSetting } from './spec.ts';
import { vfsOf } from './sriov.ts';
import type { Device, MachineState, VfSettings } from './state.ts';
import { profileOf } from './profile.ts';
import { settingsOf, NO_MAC, vfInterface } from './vf-network.ts';

/**
 * ip(8) of iproute2, as far as it is about network cards and what they keep for their virtual functions: `link set dev CARD
 * vf N …`, `link set dev NAME address …` and `-json -details link show dev NAME`. What it is asked besides it does not know.
 */
export function ip(state: MachineState, args: readonly string[]): ProgramRun {
  const words = args.filter((word) => !word.startsWith('-'));
  const [object, verb, dev, name = '', ...rest] = words;
  if (object !== 'link' || dev !== 'dev' || (verb !== 'set' && verb !== 'show')) {
    return refused(255, `Object "${words.join(' ')}" is unknown, try "ip help".`);
  }
  const device = Object.values(state.devices).find((each) => interfaceOf(state, each) === name);
  if (!device) return refused(1, `Cannot find device "${name}"`);
  if (verb === 'show') return succeeded(`${JSON.stringify([shown(state, device, name)])}\n`);
  if (rest[0] === 'up' || rest[0] === 'down') {
    device.netUp = rest[0] === 'up';
    return succeeded();
  }
  return rest[0] === 'vf' ? setVf(device, rest.slice(1)) : setOwn(state, device, rest);
}

/** The interface that a device is now. */
function interfaceOf(state: MachineState, device: Device): string | undefined {
  if (!device.linked) return undefined;
  return device.spec.sriov?.net?.interface ?? vfInterface(state, device);
}

/** ip/ipaddress.c:print_linkinfo, print_vfinfo. */
function shown(state: MachineState, device: Device, name: string): Record<string, unknown> {
  const isUp = isNetUp(device);
  const vfs = device.spec.sriov ? vfsOf(state, device) : [];
  // What a driver does not tell is not passed on (net/core/rtnetlink.c:rtnl_fill_vfinfo, iproute2: print_vfinfo).
  const isTold = (name: VfSetting): boolean => device.spec.sriov?.net?.refuses.includes(name) !== true;
  return {
    ifname: name,
    flags: ['BROADCAST', 'MULTICAST', ...(isUp ? ['UP', 'LOWER_UP'] : [])],
    operstate: isUp ? 'UP' : 'DOWN',
    link_type: 'ether',
    address: device.mac ?? '52:54:00:00:00:01',
    num_vf: vfs.length,
    ...(vfs.length > 0 && {
      vfinfo_list: (device.vfSettings ?? []).map((each, vf) => ({
        vf,
        link_type: 'ether',
        address: each.mac,
        broadcast: 'ff:ff:ff:ff:ff:ff',
        vlan_list: [{ ...(each.vlan > 0 && { vlan: each.vlan }), ...(each.qos > 0 && { qos: each.qos }) }],
        rate: { max_tx: each.maxTxRate, min_tx: 0 },
        ...(isTold('spoofchk') && { spoofchk: each.spoofchk }),
        link_state: each.state,
        ...(isTold('trust') && { trust: each.trust }),
      })),
    }),
  };
}

/** net/core/rtnetlink.c:do_setvfinfo: what the driver has no function for is EOPNOTSUPP. */
function setVf(card: Device, [number = '', ...rest]: readonly string[]): ProgramRun {
  const settings = card.vfSettings?.[Number(number)];
  const refuses = card.spec.sriov?.net?.refuses ?? [];
  const changes: ((each: VfSettings) => void)[] = [];
  for (let at = 0; at < rest.length; at += 2) {
    const [key = '', value = ''] = [rest[at], rest[at + 1]];
    const change = changeOf(key, value);
    if (change === undefined)
      return refused(255, `Error: argument "${value}" is wrong: Invalid "${key}" value`);
    if (refuses.includes(key as VfSetting)) return ended('EOPNOTSUPP');
    if (key === 'mac' && value === NO_MAC && refuses.includes('no-mac')) return ended('EADDRNOTAVAIL');
    changes.push(change);
  }
  // igb_ndo_set_vf_mac and its neighbours.
  if (!settings) return ended('EINVAL');
  for (const change of changes) change(settings);
  return succeeded();
}

function changeOf(key: string, value: string): ((each: VfSettings) => void) | undefined {
  const number = /^\d+$/.test(value) ? Number(value) : undefined;
  const isOn = value === 'on' ? true : value === 'off' ? false : undefined;
  switch (key) {
    case 'mac':
      if (!isMac(value)) return undefined;
      return (each) => {
        Object.assign(each, { mac: value, macIsSet: value !== NO_MAC });
      };
    case 'vlan':
      if (number === undefined || number > 4095) return undefined;
      // Without a word of its own the priority is 0 (ip/iplink.c:iplink_parse_vf).
      return (each) => {
        Object.assign(each, { vlan: number, qos: 0 });
      };
    case 'qos':
      if (number === undefined || number > 7) return undefined;
      return (each) => {
        each.qos = number;
      };
    case 'max_tx_rate':
      if (number === undefined) return undefined;
      return (each) => {
        each.maxTxRate = number;
      };
    case 'spoofchk':
    case 'trust':
      if (isOn === undefined) return undefined;
      return (each) => {
        each[key] = isOn;
      };
    case 'state':
      if (value !== 'auto' && value !== 'enable' && value !== 'disable') return undefined;
      return (each) => {
        each.state = value;
      };
    default:
      return undefined;
  }
}

/**
 * The address of an interface itself. A virtual function's is the card's to allow: once somebody has set it through the
 * card, its own driver is refused (drivers/net/ethernet/intel/igbvf/netdev.c:igbvf_set_mac: EADDRNOTAVAIL). A card that is down
 * does not answer, nor igb of Linux 6.1, and then nobody refuses.
 */
function setOwn(state: MachineState, device: Device, [key = '', value = '']: readonly string[]): ProgramRun {
  if (key !== 'address' || !isMac(value)) {
    return refused(255, `Error: either "${key}" is duplicate, or "${value}" is a garbage.`);
  }
  if (value === NO_MAC) return ended('EADDRNOTAVAIL');
  const found = settingsOf(state, device);
  const isHeard = found !== undefined && isNetUp(found.card) && hearsFunctions(state, found.card);
  if (isHeard && found.settings.macIsSet && value !== found.settings.mac) return ended('EADDRNOTAVAIL');
  device.mac = value;
  if (isHeard) found.settings.mac = value;
  return succeeded();
}

function hearsFunctions(state: MachineState, { driver }: Device): boolean {
  return driver !== 'igb' || profileOf(state.spec.kernel).igbHearsNewFunctions;
}

function isNetUp({ spec, netUp }: Device): boolean {
  return netUp ?? spec.sriov?.net?.up === true;
}

function isMac(text: string): boolean {
  return /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/.test(text);
}

function ended(errno: string): ProgramRun {
  return { ...failedOutput(errno), todo: [] };
}
