import type { Host } from '../host/host.ts';
import { kernelRelease } from '../observe/kernel-release.ts';
import { readVfioState } from '../observe/vfio-state.ts';
import { kernelFacts, restoringKernels } from '../pci/kernel-facts.ts';
import { sysfs } from '../pci/sysfs.ts';
import { notReady } from '../plan/vfio-ready.ts';
import { modprobeLines } from './boot.ts';
import type { Check, Examination } from './examination.ts';
import { failure, ok, warning, type Found } from './finding.ts';
import { advice, command } from '../hint.ts';
import { head, word } from './files.ts';
import { places } from './places.ts';

/** What a guest's start needs. vfio_iommu_type1 is what QEMU asks the container for (SET_IOMMU: ENODEV without it). */
const MODULES = ['vfio_pci', 'vfio_iommu_type1'] as const;

/** vfio-pci and its back end are loaded, built in, or there to be loaded. */
export const vfioModules: Check = {
  title: 'vfio modules',
  run: ({ host }) => {
    const release = kernelRelease(host);
    const loaded = host.list(sysfs.modules) ?? [];
    const missing = MODULES.filter((module) => !loaded.includes(module));
    if (missing.length === 0) return ok('vfio-pci is loaded');
    if (host.list(`${places.modules}/${release}`) === undefined) {
      return failure(
        `the modules of the running kernel ${release} are gone (${places.modules}/${release}), so vfio-pci cannot be loaded: the kernel was updated since the host was started`,
        command('systemctl reboot'),
      );
    }
    const blocked = blocking(host, missing);
    if (blocked) return blocked;
    const wrong = notReady(readVfioState(host), release, { for: 'guest', generalDriver: true });
    if (wrong?.code === 'vfio') return failure(wrong.reason, ...wrong.hints);
    return ok('vfio-pci is there; the first guest that needs it loads it');
  },
};

/** The hook runs modprobe -b, to which a blacklisted name does not exist (src/host/linux/host.ts). */
function blocking(host: Host, modules: readonly string[]): Found | undefined {
  const line = modprobeLines(host).find(
    ({ verb, module, rest }) =>
      modules.includes(module) &&
      (verb === 'blacklist' || (verb === 'install' && /\/(?:bin\/)?(?:false|true)\b/.test(rest))),
  );
  if (!line) return undefined;
  return failure(
    `${line.file} keeps the module ${line.module} from being loaded (${line.verb})`,
    command(
      `sed -i -E '/^[[:space:]]*${line.verb}[[:space:]]+${line.module.replaceAll('_', '[-_]')}/d' ${word(line.file)}`,
    ),
  );
}

/** The kernel's version has none of the faults that this program knows of. */
export const kernelFaults: Check = {
  title: 'kernel version',
  run: (on) => {
    const release = kernelRelease(on.host);
    const banner = places.kernelBanners.map((path) => on.host.read(path) ?? '').join(' ');
    const facts = kernelFacts(release, banner);
    if (!facts.known) {
      return failure(
        `Linux ${release} is older than 5.15, with which this program was never tried`,
        advice('install a newer kernel'),
      );
    }
    const resizes = configuresBars(on);
    if (!facts.guardsGroups) {
      return warning(
        `Linux ${release}: a host driver that is bound to a member of a guest's IOMMU group crashes the whole host (BUG in vfio_iommu_group_notifier, until 5.19)${resizes ? '; BARs cannot be resized before 6.1, and the configuration asks for it' : ''}`,
        advice('install Linux 6.1 or later; until then bind nothing by hand while a guest has devices'),
      );
    }
    if (!resizes) return ok(`Linux ${release}`);
    if (!facts.resizesBars) {
      return failure(
        `the configuration resizes BARs, which Linux ${release} cannot: it needs 6.1`,
        advice('install Linux 6.1 or later'),
      );
    }
    if (!facts.restoresBars) {
      return warning(
        `the configuration resizes BARs, and Linux ${release} may lose BARs of the card when a size does not fit; mended in Linux ${restoringKernels}`,
        advice(
          'install the newest kernel of your distribution; until then vfio-hook finds the loss and refuses the start',
        ),
      );
    }
    return ok(`Linux ${release}; BARs are resized with it`);
  },
};

function configuresBars({ configFiles }: Examination): boolean {
  return configFiles().some(({ config }) => (config?.devices ?? []).some(({ bars }) => bars.size > 0));
}

/** Kernel modules that people load for their cards, and that no distribution signs. */
export const lockdown: Check = {
  title: 'lockdown and Secure Boot',
  run: ({ host }) => {
    const mode = /\[(\w+)\]/.exec(host.read(places.lockdown) ?? '')?.[1] ?? 'none';
    // Four bytes of attributes come before the value (efivarfs).
    const secure = host.readBytes(places.secureBoot, 5)?.[4] === 1;
    const state = `lockdown: ${mode}${secure ? ', Secure Boot is on' : ''}`;
    if (mode === 'none' && !secure) return ok(state);
    const loaded = host.list(sysfs.modules) ?? [];
    const absent = modulesToLoad(host).filter((module) => !loaded.includes(module));
    if (absent.length === 0) return ok(`${state}; VFIO works with it, modules without a signature do not`);
    return warning(
      `${state}; modules that are to be loaded at boot are not there, perhaps for want of a signature: ${absent.join(', ')}`,
      ...absent.map((module) => command(`modprobe ${word(module)}; dmesg | tail -n 3`)),
      advice('sign the module with a key that firmware trusts (mokutil --import), or turn Secure Boot off'),
    );
  },
};

/** Names in modules-load.d(5), with underscores. */
function modulesToLoad(host: Host): string[] {
  return places.modulesToLoad.flatMap((directory) =>
    (host.list(directory) ?? [])
      .filter((name) => name.endsWith('.conf'))
      .flatMap((name) => (head(host, `${directory}/${name}`, 65_536) ?? '').split('\n'))
      .map((line) => line.trim().replaceAll('-', '_'))
      .filter((line) => /^\w+$/.test(line)),
  );
}
