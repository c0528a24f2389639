import { errnoOf } from '../errors.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import type { Host } from '../host/host.ts';
import { parsePciAddress, type PciAddress } from '../pci/address.ts';
import { isDisplay } from '../pci/class.ts';
import { sysfs } from '../pci/sysfs.ts';
import { quoteName } from '../text.ts';
import type { Check } from './examination.ts';
import { about, ok, warning, type Found } from './finding.ts';
import { advice, command } from '../hint.ts';
import { assignedAddresses } from './guests.ts';
import { places } from './places.ts';

const NVIDIA = '10de';

/** Daemons of NVIDIA's driver that keep a card open, by the first 15 characters that /proc shows, and their services. */
const DAEMONS: ReadonlyMap<string, string> = new Map([
  ['nvidia-persiste', 'nvidia-persistenced'],
  ['nvidia-powerd', 'nvidia-powerd'],
]);

/**
 * Nothing of the host keeps an assigned NVIDIA card open: nvidia's remove() waits for it without end
 * (kernel-open/nvidia/nv-pci.c), so that the start ends in a timeout.
 */
export const nvidiaHolders: Check = {
  title: 'holders of NVIDIA cards',
  run: (on) => {
    const { host } = on;
    const cards = assignedAddresses(on).filter(
      (address) => attribute(host, address, 'vendor') === NVIDIA && boundDriver(host, address) === 'nvidia',
    );
    if (cards.length === 0) return ok('no assigned card is on nvidia now');
    const findings: Found[] = [];
    for (const service of runningDaemons(host)) {
      findings.push(
        warning(
          `${service} runs and keeps ${cards.join(', ')} open: the unbind would wait for it`,
          command(`systemctl stop ${service}.service`),
          command(`systemctl disable ${service}.service`),
        ),
      );
    }
    const modeset = host.read(places.parameter('nvidia_drm', 'modeset'))?.trim();
    if (modeset === 'Y' || modeset === '1') {
      findings.push(
        warning(
          `nvidia_drm has modeset on: the display server may hold ${cards.join(', ')} though no screen is on it`,
          command('fuser -v /dev/dri/* /dev/nvidia*'),
          command("echo 'options nvidia_drm modeset=0' > /etc/modprobe.d/nvidia-drm-modeset.conf"),
        ),
      );
    }
    return findings.length > 0 ? findings : ok(`no daemon and no modeset on ${cards.join(', ')}`);
  },
};

function runningDaemons(host: Host): string[] {
  const names = (host.list(places.processes) ?? [])
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => DAEMONS.get(host.read(places.process(Number(entry), 'comm'))?.trim() ?? '') ?? []);
  return [...new Set(names)];
}

/**
 * The branch 460 of the vGPU driver, from 460.32 to 460.73: the second mediated device of a card fails there, which
 * 510 has mended (open-iov.org, Merged Drivers, known issues).
 */
function failsAtSecondDevice(version: string): boolean {
  const [branch = 0, release = 0] = version.split('.').map(Number);
  return branch === 460 && release >= 32 && release <= 73;
}

/** The vGPU driver's version has no fault that is known here. */
export const vgpuDriver: Check = {
  title: 'NVIDIA vGPU driver',
  run: (on) => {
    const version = nvidiaVersion(on.host);
    if (version === undefined) return ok('the driver nvidia is not loaded');
    const parents = on.host.list(places.mdevParents) ?? [];
    const wanted = on.guests().some(({ xml }) => xml?.domain.hostdevs.some(({ kind }) => kind === 'mdev'));
    if (parents.length === 0 && !wanted) return ok(`nvidia ${version}, without mediated devices`);
    if (!failsAtSecondDevice(version)) return ok(`nvidia ${version}`);
    return warning(
      `nvidia ${version}: reported to fail with the second mediated device of a card ("error getting device from group"); mended in 510`,
      advice('install version 510 or later of the vGPU driver'),
      advice('until then start one guest with a mediated device of each card'),
    );
  },
};

function nvidiaVersion(host: Host): string | undefined {
  for (const path of places.nvidiaVersions) {
    const version = /\b(\d{3}\.\d+(?:\.\d+)?)\b/.exec(host.read(path) ?? '')?.[1];
    if (version !== undefined) return version;
  }
  return undefined;
}

/** A guest has mediated devices or USB controllers of the host, not both. */
export const vgpuWithUsb: Check = {
  title: 'mediated devices beside USB',
  run: (on) => {
    const findings = on.guests().flatMap(({ name, xml }): Found[] => {
      if (!xml?.domain.hostdevs.some(({ kind }) => kind === 'mdev')) return [];
      const controllers = xml.domain.hostdevs.filter(
        (hostdev) =>
          hostdev.kind !== 'mdev' && attribute(on.host, hostdev.address, 'class').startsWith('0c03'),
      ).length;
      if (controllers + xml.features.usbDevices === 0) return [];
      return [
        about(
          quoteName(name),
          warning(
            'it has a mediated device and USB hubs, controllers or devices of the host: reported not to work together with NVIDIA’s merged drivers (open-iov.org, Merged Drivers)',
            advice(
              'take the USB devices out of the guest for a trial, or hand them in through the network (usbredir)',
            ),
          ),
        ),
      ];
    });
    return findings.length > 0 ? findings : ok('no guest has both');
  },
};

/** A physical function that offers virtual ones is awake: they cannot be made while it sleeps. */
export const physicalFunctionPower: Check = {
  title: 'power state of SR-IOV graphics cards',
  run: ({ host }) => {
    const functions = displayFunctions(host).filter(
      (address) => Number(attribute(host, address, 'sriov_totalvfs') || 0) > 0,
    );
    if (functions.length === 0) return ok('there are none');
    const asleep = functions.filter((address) => {
      const state = attribute(host, address, 'power_state');
      return state !== '' && state !== 'D0';
    });
    if (asleep.length === 0) return ok(`${functions.join(', ')}: awake (D0)`);
    return asleep.map((address) =>
      about(
        address,
        warning(
          `it is in ${attribute(host, address, 'power_state')}: virtual functions can be made in D0 only`,
          command(`echo on > ${sysfs.attribute(address, 'power/control')}`),
        ),
      ),
    );
  },
};

function displayFunctions(host: Host): PciAddress[] {
  return (host.list(sysfs.devices) ?? []).flatMap((name) => {
    const address = parsePciAddress(name);
    return address && isDisplay(attribute(host, address, 'class')) ? [address] : [];
  });
}

function attribute(host: Host, address: PciAddress, name: string): string {
  try {
    return (host.read(sysfs.attribute(address, name)) ?? '').trim().replace(/^0x/, '');
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return '';
  }
}
