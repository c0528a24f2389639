import { kindOfDriver, type KnownDriver } from '../pci/known-driver.ts';
import { parseBuiltinVfioAliases, parseVfioAliases, type VfioAlias } from '../pci/modalias.ts';
import { sysfs } from '../pci/sysfs.ts';
import type { Host } from './host.ts';
import { hasModules, moduleFile } from './modules.ts';

/**
 * What this kernel knows of drivers that were asked for by name, each name once; those are left out of which nothing can
 * be found out. Reads files of a megabyte and more,
 * so it is for the few starts that name a driver.
 */
export function knownDrivers(host: Host, names: readonly string[]): KnownDriver[] {
  if (names.length === 0) return [];
  const release = (host.read(sysfs.kernelRelease) ?? '').trim();
  const aliases = host.read(sysfs.modulesAlias(release)) ?? '';
  const builtin = host.read(sysfs.builtinModules(release)) ?? '';
  const offered = new Set(
    [...parseVfioAliases(aliases), ...parseBuiltinVfioAliases(builtin)].map(({ module }) => module),
  );
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
  const release = (host.read(sysfs.kernelRelease) ?? '').trim();
  return [
    ...parseVfioAliases(host.read(sysfs.modulesAlias(release)) ?? ''),
    ...parseBuiltinVfioAliases(host.read(sysfs.builtinModules(release)) ?? ''),
  ].filter(({ module }) => module !== 'vfio_pci');
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
