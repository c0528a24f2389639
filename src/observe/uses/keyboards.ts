import { advice } from '../../hint.ts';
import type { PciAddress } from '../../pci/address.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { DeviceUse } from '../../pci/use.ts';
import { quoteName } from '../../text.ts';
import type { Host } from '../../host/host.ts';
import { listed } from './words.ts';

/** A keyboard of the host. */
interface Keyboard {
  readonly name: string;
  /** Its path in sysfs, which leads through everything that it hangs on. */
  readonly path: string;
}

/** Event types LED and REP: what has lights and repeats its keys is a keyboard, no button and no remote control. */
const KEYBOARD_EVENTS = 0x120000;

/**
 * The use `last-keyboard` for each of these PCI devices that has keyboards behind it, when every keyboard of the
 * host is behind one of them. A host without a keyboard can lose none.
 */
export function keyboardUses(host: Host, devices: readonly PciAddress[]): DeviceUse[] {
  const adapters = bluetoothAdapters(host);
  const keyboards = parseKeyboards(host.read(sysfs.inputDevices) ?? '').map((keyboard) => ({
    ...keyboard,
    behind: devices.filter((device) => isBehind(keyboard, device, adapters)),
  }));
  if (keyboards.some(({ behind }) => behind.length === 0)) return [];
  const losing = devices.filter((device) => keyboards.some(({ behind }) => behind.includes(device)));
  return losing.map((device) => {
    const names = keyboards
      .filter(({ behind }) => behind.includes(device))
      .map(({ name }) => quoteName(name));
    const here = listed([...new Set(names)], 'keyboards');
    const others = losing.filter((each) => each !== device);
    return {
      device,
      reason: 'last-keyboard',
      detail:
        others.length === 0
          ? `every keyboard of the host is behind it: ${here}`
          : `the last keyboards of the host are behind it and ${listed(others, 'devices')}, here ${here}`,
      hints: [
        advice('plug a keyboard into a port of another USB controller; lsusb -t shows which ports are whose'),
      ],
    };
  });
}

/** The keyboards of /proc/bus/input/devices (drivers/input/input.c:input_devices_seq_show). */
export function parseKeyboards(text: string): Keyboard[] {
  return text.split('\n\n').flatMap((block) => {
    const value = (pattern: RegExp): string | undefined => pattern.exec(block)?.[1];
    const events = parseInt(value(/^B: EV=([0-9a-f]+)$/m) ?? '0', 16);
    const path = value(/^S: Sysfs=(.*)$/m);
    if ((events & KEYBOARD_EVENTS) !== KEYBOARD_EVENTS || path === undefined) return [];
    // Programs make such keyboards (uinput); nobody can type on them. Those of Bluetooth are below misc/uhid.
    if (path.startsWith('/devices/virtual/input/')) return [];
    return { name: value(/^N: Name="(.*)"$/m) ?? '', path };
  });
}

/**
 * A keyboard whose driver is a program (BlueZ, through uhid) hangs on nothing in sysfs: it counts as behind
 * each Bluetooth adapter, since which of them it is connected to is not to be seen.
 */
function isBehind({ path }: Keyboard, device: PciAddress, adapters: readonly string[]): boolean {
  const paths = path.startsWith('/devices/virtual/misc/uhid/') ? adapters : [path];
  return paths.some((each) => each.includes(`/${device}/`));
}

function bluetoothAdapters(host: Host): string[] {
  return (host.list(sysfs.bluetooth) ?? []).flatMap(
    (name) => host.readLink(`${sysfs.bluetooth}/${name}`) ?? [],
  );
}
