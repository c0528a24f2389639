import { nvidiaHost } from '../engine/nvidia-host.ts';
import type { Host } from '../host/host.ts';
import { boundDriver } from '../observe/bound-driver.ts';
import type { PciAddress } from '../pci/address.ts';
import { drmLetsGo, NVIDIA, NVIDIA_DRM, NVIDIA_VENDOR } from '../pci/nvidia.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { NvidiaHost } from '../resource/nvidia/wishes.ts';
import { modprobeLines } from './boot.ts';
import type { Check } from './examination.ts';
import { ok, warning, type Found } from './finding.ts';
import { advice, command } from '../hint.ts';
import { assignedAddresses } from './guests.ts';
import { places } from './places.ts';
import { attributeOf, runningPrograms } from './seen.ts';

/** Daemons that keep a card open, by the first 15 characters that /proc shows, and their services. */
const DAEMONS: ReadonlyMap<string, string> = new Map([
  ['nvidia-persiste', 'nvidia-persistenced.service'],
  ['nvidia-powerd', 'nvidia-powerd.service'],
  ['nv-hostengine', 'nvidia-dcgm.service'],
  ['dcgm-exporter', 'dcgm-exporter.service'],
]);

/**
 * Nothing of the host keeps an assigned NVIDIA card open that does not let go of it for a guest: nvidia's remove() waits for it
 * without end (kernel-open/nvidia/nv-pci.c), so that the start ends in a timeout.
 */
export const nvidiaHolders: Check = {
  title: 'holders of NVIDIA cards',
  run: (on) => {
    const { host } = on;
    const cards = assignedAddresses(on).filter(
      (address) =>
        attributeOf(host, address, 'vendor') === NVIDIA_VENDOR && boundDriver(host, address) === NVIDIA,
    );
    const driver = nvidiaHost(host, cards, () => undefined);
    if (!driver) return ok('no assigned card is on nvidia now');
    const findings = [...daemons(host, driver, cards), ...modeset(host, driver, cards)];
    const bad = findings.filter(({ verdict }) => verdict !== 'ok');
    if (bad.length > 0) return bad;
    if (findings.length === 0) return ok(`no daemon and no modeset on ${cards.join(', ')}`);
    return ok(findings.map(({ found }) => found).join('; '));
  },
};

/** A daemon that is no unit that is known can only be stopped by hand. */
function daemons(host: Host, driver: NvidiaHost, cards: readonly PciAddress[]): Found[] {
  const running = new Set([...runningPrograms(host)].flatMap((name) => DAEMONS.get(name) ?? []));
  return [...running].map((service) =>
    driver.units.includes(service)
      ? ok(`${service} runs: a guest has it let go of its cards, and it goes on afterwards`)
      : warning(
          `${service.replace(/\.service$/, '')} runs, by another service than is known, and keeps ${cards.join(', ')} open: the unbind would wait for it`,
          command(`systemctl stop ${service}`),
          advice('name its unit in services: {stop: […]} of the guest, and vfio-hook stops and starts it'),
        ),
  );
}

/** nvidia_drm has every card open by itself while it sets modes. */
function modeset(host: Host, driver: NvidiaHost, cards: readonly PciAddress[]): Found[] {
  if (!driver.modeset) return [];
  const version = host.read(sysfs.moduleFile(NVIDIA, 'version'))?.trim();
  const isSaid =
    modprobeLines(host).some(
      ({ verb, module, rest }) =>
        verb === 'options' && module === NVIDIA_DRM && /(?:^|\s)modeset=/.test(rest),
    ) || /(?:^|\s)nvidia[-_]drm\.modeset=/.test(host.read(sysfs.commandLine) ?? '');
  if (driver.staying.length > 0 && !drmLetsGo(version)) {
    return [
      warning(
        `nvidia_drm has modeset on and keeps ${cards.join(', ')} open by itself, and cannot be unloaded while ${driver.staying.join(', ')} stays with the host: no guest gets a card of them`,
        command("echo 'options nvidia_drm modeset=0' > /etc/modprobe.d/nvidia-drm-modeset.conf"),
        advice(
          'that counts once nvidia_drm is loaded anew; or have vfio-pci take the card when the host starts',
        ),
      ),
    ];
  }
  const unloaded =
    driver.staying.length > 0
      ? []
      : [ok('nvidia_drm has modeset on: it is unloaded for a guest that gets every card, and loaded again')];
  if (isSaid || drmLetsGo(version) || unloaded.length === 0) return unloaded;
  return [
    warning(
      `nvidia_drm was loaded with modeset on, which neither ${places.modprobe[0]} nor the kernel command line says: after a guest it comes back with what its driver takes by default`,
      command("echo 'options nvidia_drm modeset=1' > /etc/modprobe.d/nvidia-drm-modeset.conf"),
    ),
  ];
}
