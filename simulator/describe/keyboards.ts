import type { PciAddress } from '../../src/pci/address.ts';
import { sysfs } from '../../src/pci/sysfs.ts';
import type { Host } from '../../src/host/host.ts';
import type { WrittenDevice } from '../description-schema.ts';
import { parseKeyboards } from '../../src/observe/uses/keyboards.ts';

/** The keyboards of a machine, without their names: those of Bluetooth are mostly called after people. */
export interface DescribedKeyboards {
  /** On the board's own controller. */
  readonly board: readonly string[];
  /** Behind a PCI device. */
  readonly behind: (address: PciAddress) => NonNullable<WrittenDevice['keyboards']>;
}

const NAME = 'keyboard';

/** Finds the keyboards, and at which port of which USB controller each one is. */
export function keyboardsOf(host: Host): DescribedKeyboards {
  const paths = parseKeyboards(host.read(sysfs.inputDevices) ?? '').map(({ path }) => path);
  const adapters = (host.list(sysfs.bluetooth) ?? []).flatMap((name) => {
    const path = host.readLink(`${sysfs.bluetooth}/${name}`);
    return path === undefined || !/^hci\d+$/.test(name) ? [] : [{ name, path }];
  });
  return {
    board: paths.filter((path) => path.includes('/i8042/')).map(() => NAME),
    behind: (address) =>
      paths.flatMap((path) => {
        const radio = adapters.find(
          ({ name }) => path.includes(`/${name}:`) || path.startsWith('/devices/virtual/misc/uhid/'),
        );
        const usb = portBehind(radio?.path ?? path, address);
        if (usb === undefined) return [];
        return [{ name: NAME, usb, ...(radio && { bluetooth: radio.name }) }];
      }),
  };
}

/** The port of a controller that a path leads through; a hub at it counts as what is behind it. */
function portBehind(path: string, address: PciAddress): string | undefined {
  const [, rest] = path.split(`/${address}/`);
  return /^usb\d+\/(\d+-\d+)\//.exec(rest ?? '')?.[1];
}
