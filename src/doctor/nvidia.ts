import { boundDriver } from '../observe/bound-driver.ts';
import type { Host } from '../host/host.ts';
import type { Check } from './examination.ts';
import { ok, warning, type Found } from './finding.ts';
import { command } from '../hint.ts';
import { assignedAddresses } from './guests.ts';
import { places } from './places.ts';
import { attributeOf, runningPrograms } from './seen.ts';

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
      (address) => attributeOf(host, address, 'vendor') === NVIDIA && boundDriver(host, address) === 'nvidia',
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
  return [...new Set([...runningPrograms(host)].flatMap((name) => DAEMONS.get(name) ?? []))];
}
