import { count } from '../count.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { isBridgeClass } from '../pci/class.ts';
import { sysfs } from '../pci/sysfs.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import { hexAttribute } from '../observe/hex-attribute.ts';
import type { Host } from '../host/host.ts';
import { kernelArgument, modprobeLines } from './boot.ts';
import type { Check } from './examination.ts';
import { about, ok, warning, type Found } from './finding.ts';
import { advice, command } from '../hint.ts';
import { word } from './files.ts';
import { places } from './places.ts';

/** A list of ids for vfio-pci, and where it stands. */
interface Ids {
  readonly where: string;
  readonly ids: readonly string[];
}

/** Devices that vfio-pci takes at boot, by their ids: the ones that were meant, and no others. */
export const boundAtBoot: Check = {
  title: 'devices bound at boot (vfio-pci.ids)',
  run: ({ host }) => {
    const lists = [...commandLineIds(host), ...modprobeIds(host)];
    if (lists.every(({ ids }) => ids.length === 0)) return ok('none');
    const devices = presentDevices(host);
    const findings: Found[] = [];
    for (const { where, ids } of lists) {
      for (const id of ids) {
        const matching = devices.filter((device) => id === `${device.vendor}:${device.device}`);
        const finding = judgeId(id, where, matching);
        if (finding) findings.push(about(id, finding));
      }
    }
    if (findings.length > 0) return findings;
    const number = lists.reduce((sum, { ids }) => sum + ids.length, 0);
    return ok(
      `${count(number, 'id')}, on vfio-pci; vfio-hook leaves these devices there, also after a guest`,
    );
  },
};

interface Present {
  readonly address: PciAddress;
  readonly vendor: string;
  readonly device: string;
  readonly driver: string | undefined;
  readonly bootVga: boolean;
}

function judgeId(id: string, where: string, matching: readonly Present[]): Found | undefined {
  const [first, second] = matching;
  if (!first) {
    return warning(
      `${where} names ${id}, and no device has it`,
      advice(`take ${id} from ${where}: a card that is put in later would be taken from the host`),
    );
  }
  const boot = matching.find(({ bootVga }) => bootVga);
  if (boot) {
    return warning(
      `${where} takes ${boot.address} at boot, which is the graphics card that firmware shows its screen on: the host stays dark`,
      advice(`take ${id} from ${where}: vfio-hook moves the card when the guest starts`),
    );
  }
  if (second) {
    return warning(
      `${where} takes every device with ${id}: ${matching.map(({ address }) => address).join(', ')}`,
      command(`driverctl set-override ${first.address} vfio-pci`),
      advice(`and take ${id} from ${where}, if one of them is for the host`),
    );
  }
  if (first.driver === 'vfio-pci') return undefined;
  return warning(
    `${where} names ${id}, yet ${first.address} is on ${first.driver ?? 'no driver'}: another driver was earlier at boot`,
    advice(`take ${id} from ${where}: vfio-hook moves the device when the guest starts`),
  );
}

function commandLineIds(host: Host): Ids[] {
  const given = kernelArgument(host, 'vfio-pci.ids');
  return given === undefined ? [] : [{ where: 'the kernel command line (vfio-pci.ids)', ids: idsIn(given) }];
}

function modprobeIds(host: Host): Ids[] {
  return modprobeLines(host)
    .filter(({ verb, module }) => verb === 'options' && module === 'vfio_pci')
    .flatMap(({ file, rest }) => {
      const given = /(?:^|\s)ids=(\S+)/.exec(rest)?.[1];
      return given === undefined ? [] : [{ where: file, ids: idsIn(given) }];
    });
}

/** `10de:2204,10de:1aef`; further fields after a colon narrow an id down (drivers/vfio/pci/vfio_pci.c:vfio_pci_fill_ids). */
function idsIn(text: string): string[] {
  return text
    .replaceAll('"', '')
    .split(',')
    .map((entry) => entry.toLowerCase().split(':').slice(0, 2).join(':'))
    .filter((entry) => /^[0-9a-f]{1,4}:[0-9a-f]{1,4}$/.test(entry))
    .map((entry) =>
      entry
        .split(':')
        .map((part) => part.padStart(4, '0'))
        .join(':'),
    );
}

function presentDevices(host: Host): Present[] {
  return (host.list(sysfs.devices) ?? []).flatMap((name) => {
    const address = parsePciAddress(name);
    if (!address) return [];
    const text = (attribute: string): string => hexAttribute(host, address, attribute) ?? '';
    if (isBridgeClass(text('class'))) return [];
    return [
      {
        address,
        vendor: text('vendor'),
        device: text('device'),
        driver: boundDriver(host, address),
        bootVga: text('boot_vga') === '1',
      },
    ];
  });
}

/**
 * driverctl keeps an override for each device in a file `pci-ADDRESS` (its 05-driverctl.rules). libvirt forgets
 * the override when it takes a device back (src/util/virpci.c), vfio-hook does not.
 */
export const driverctl: Check = {
  title: 'driverctl overrides',
  run: ({ host, engine }) => {
    const saved = (host.list(places.driverctl) ?? []).flatMap((name) => {
      const address = parsePciAddress(name.replace(/^pci-/, ''));
      const wanted = host.read(`${places.driverctl}/${name}`)?.trim();
      return address && wanted !== undefined && wanted !== '' ? [{ address, wanted }] : [];
    });
    if (saved.length === 0) return ok('none');
    const held = new Set(
      engine.store.all().claims.flatMap(({ devices }) => devices.map(({ address }) => address)),
    );
    const findings = saved.flatMap(({ address, wanted }): Found[] => {
      if (held.has(address)) return [];
      const now = host.list(sysfs.device(address)) === undefined ? undefined : boundDriver(host, address);
      if (host.list(sysfs.device(address)) === undefined) {
        return [
          about(
            address,
            warning(
              'driverctl has an override for it, and there is no such device',
              command(`rm ${places.driverctl}/pci-${address}`),
            ),
          ),
        ];
      }
      if (now === wanted || (wanted === 'none' && now === undefined)) return [];
      return [
        about(
          address,
          warning(
            `driverctl wants ${word(wanted)}, and it is on ${now ?? 'no driver'}: something took the override away`,
            command(`driverctl load-override ${address}`),
          ),
        ),
      ];
    });
    if (findings.length > 0) return findings;
    return ok(
      `${saved.map(({ address, wanted }) => `${address} on ${wanted}`).join(', ')}; they come back after a guest`,
    );
  },
};
