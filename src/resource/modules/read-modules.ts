import { driversOfModule, isLoaded, modulesUsing } from '../../observe/loaded-modules.ts';
import type { Host } from '../../host/host.ts';
import { sysfs } from '../../pci/sysfs.ts';
import { isVfioModule, unloadOrder } from '../../pci/vfio-modules.ts';
import type { SeenOf } from '../kind.ts';
import type { Reader } from '../readers.ts';

/** Whether modules are loaded; what is part of the kernel itself is no module that is. */
export const readModules: Reader<'module'> = (host, keys) =>
  Promise.resolve(
    new Map(
      keys.map((key): [string, SeenOf<'module'>] => [
        key,
        { state: { loaded: isLoaded(host, key) }, facts: {} },
      ]),
    ),
  );

/** The modules of VFIO, and who has something of them. */
export const readVfioModules: Reader<'vfio-modules'> = (host, keys) => {
  const loaded = (host.list(sysfs.modules) ?? []).filter(
    (name) => isVfioModule(name) && isLoaded(host, name),
  );
  const order = unloadOrder(loaded, (module) => modulesUsing(host, module));
  const seen = { state: { loaded: loaded.length > 0 }, facts: { order, user: userOf(host, loaded) } };
  return Promise.resolve(new Map(keys.map((key) => [key, seen])));
};

/** A device on one of their drivers. Another module that uses one keeps only what it uses, which the kernel sees to. */
function userOf(host: Host, modules: readonly string[]): string {
  return (
    modules.flatMap((module) => driversOfModule(host, module).flatMap(({ devices }) => devices))[0] ?? ''
  );
}
