import { kindOfDriver, type KnownDriver } from '../pci/known-driver.ts';
import { parseBuiltinVfioAliases, parseVfioAliases, type VfioAlias } from '../pci/modalias.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Host } from '../host/host.ts';
import { kernelRelease } from './kernel-release.ts';
import { hasModules, moduleFile } from './modules.ts';

/**
 * What this kernel knows of drivers that were asked for by name, each name once; those are left out of which nothing can
 * be found out. Reads files of a megabyte and more, so it is for the few starts that name a driver.
 */
export function knownDrivers(host: Host, names: readonly string[]): KnownDriver[] {
  if (names.length === 0) return [];
  const { release, aliases, builtin, vfio } = announced(host);
  const offered = new Set(vfio.map(({ module }) => module));
  const drivers = host.list(sysfs.drivers) ?? [];
  return [...new Set(names)].flatMap((name): KnownDriver[] => {
    const registered = spellings(name).find((form) => drivers.includes(form));
    const module =
      registered === undefined
        ? moduleFile(host, release, name)
        : host
            .readLink(`${sysfs.driver(registered)}/module`)
            ?.split('/')
            .pop();
    if (registered === undefined && !hasModules(host)) return [];
    const depmodName = (module ?? name).replaceAll('-', '_');
    const kind = kindOfDriver({
      name,
      registered: registered !== undefined,
      ...(module !== undefined && { module }),
      offered: offered.has(depmodName),
      servesHost: hasHostAlias(aliases, builtin, depmodName),
    });
    return [{ name, kind, ...(module !== undefined && { module: depmodName }) }];
  });
}

/** The vfio drivers that this kernel offers besides vfio-pci, in the order of the files. */
export function offeredVariants(host: Host): VfioAlias[] {
  return announced(host).vfio.filter(({ module }) => module !== 'vfio_pci');
}

/** What drivers say of themselves: modules in modules.alias, what is part of the kernel in modules.builtin.modinfo. */
function announced(host: Host): {
  readonly release: string;
  readonly aliases: string;
  readonly builtin: string;
  readonly vfio: readonly VfioAlias[];
} {
  const release = kernelRelease(host);
  const aliases = host.read(sysfs.modulesAlias(release), 'large') ?? '';
  const builtin = host.read(sysfs.builtinModules(release), 'large') ?? '';
  return {
    release,
    aliases,
    builtin,
    vfio: [...parseVfioAliases(aliases), ...parseBuiltinVfioAliases(builtin)],
  };
}

/** modprobe takes both spellings, the directory of drivers has one of them. */
function spellings(name: string): readonly string[] {
  return [name, name.replaceAll('-', '_'), name.replaceAll('_', '-')];
}

/** depmod writes `alias pci:… MODULE`, modules.builtin.modinfo `MODULE.alias=pci:…`. Neither has a `\` in a module's name. */
function hasHostAlias(aliases: string, builtin: string, module: string): boolean {
  const name = module.replace(/[^\w]/g, '\\$&');
  return (
    new RegExp(`^alias pci:\\S+ ${name}$`, 'm').test(aliases) ||
    new RegExp(`(?:^|\\0)${name}\\.alias=pci:`).test(builtin)
  );
}
