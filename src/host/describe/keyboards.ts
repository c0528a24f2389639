import type { PciDevice } from '../../pci/device.ts';
import { sysfs } from '../../pci/sysfs.ts';
import type { Host } from '../host.ts';
import type { WrittenDevice } from '../simulated/description-schema.ts';

/** USB's numbers for a keyboard: class 3 (HID), protocol 1 (HID 1.11, section 4.3). */
const HID = '03';
const KEYBOARD = '01';

/** The keyboards behind a USB controller: only that they are there and at which port, no name. */
export function keyboardsOf(host: Host, { address, class: code }: PciDevice): Pick<WrittenDevice, 'entries'> {
  if (!code.startsWith('0c03')) return {};
  const entries: Record<string, string> = {};
  const directory = sysfs.device(address);
  for (const root of matching(host.list(directory), /^usb\d+$/)) {
    for (const port of matching(host.list(`${directory}/${root}`), /^\d+-\d+$/)) {
      for (const each of matching(host.list(`${directory}/${root}/${port}`), /^\d+-\d+:\d+\.\d+$/)) {
        const path = `${root}/${port}/${each}`;
        const read = (name: string): string => (host.read(`${directory}/${path}/${name}`) ?? '').trim();
        if (read('bInterfaceClass') !== HID || read('bInterfaceProtocol') !== KEYBOARD) continue;
        entries[`${path}/bInterfaceClass`] = `${HID}\n`;
        entries[`${path}/bInterfaceProtocol`] = `${KEYBOARD}\n`;
      }
    }
  }
  return Object.keys(entries).length > 0 ? { entries } : {};
}

function matching(names: readonly string[] | undefined, pattern: RegExp): string[] {
  return (names ?? []).filter((name) => pattern.test(name));
}
